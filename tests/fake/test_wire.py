"""A channel on a socket keeps its order through cuts, holds and latencies, and loses nothing but by
breaking.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from zkfake._channel.conditions import Conditions, Stop
from zkfake._realtime.channel import RealTimeChannel
from zkfake._timers import Timers

if TYPE_CHECKING:
    from zkfake._channel.rules import ChannelRequest, Point

GET_DATA = 4


def _frame(*numbers: int) -> bytes:
    payload = struct.pack(f">{len(numbers)}i", *numbers)
    return struct.pack(">i", len(payload)) + payload


def reply(xid: int) -> bytes:
    return _frame(xid, 0, 0, 0)


def event(number: int) -> bytes:
    return _frame(-1, 0, 0, 0, number)


class Core:
    """A server's end: it answers nothing by itself."""

    session_id = 7
    interest = 1
    queued = 0

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.said: list[bytes] = []
        self.closing = False

    def take_input(self) -> bytes:
        return b""

    def receive(self, data: bytes) -> None:
        assert not self.closing
        self.heard.append(data)

    def take_output(self) -> bytes:
        output = b"".join(self.said)
        self.said.clear()
        return output

    def lost(self) -> None:
        self.closing = True


class Cut:
    """A hold that nobody waits for."""

    def __init__(self) -> None:
        self.struck = False

    def strike(self) -> None:
        self.struck = True


CUTS: dict[str, Stop] = {
    "to_server": Stop(lambda _: True, ("to_server",)),
    "to_client": Stop(lambda _: True, ("to_client",)),
    "events": Stop(lambda _: True, ("to_client",), events=True),
}


class Present(Conditions[RealTimeChannel]):
    """What there is at present."""

    def __init__(self) -> None:
        super().__init__(self, 1000, lambda low, _high: low)
        self.timers = Timers()
        self.now = 0
        self.cuts = {name: Cut() for name in CUTS}
        self.lost: tuple[Point, int] | None = None
        self.forgotten = False
        self.considers_all = True

    def consider(self, point: Point, request: ChannelRequest) -> bool:
        request.channel.resume()  # an action of a rule may heal something, in the middle of it all
        return (point, request.head.xid) == self.lost

    def cut(self, name: str) -> None:
        hold: Any = self.cuts[name]
        self.stops[hold] = CUTS[name]

    def cuts_off(self, name: str) -> bool:
        return self.cuts[name] in self.stops

    def forget(self, channel: RealTimeChannel) -> None:
        super().forget(channel)
        self.forgotten = True


class Run:
    """A channel between a socket and a core, and what has gone in and come out."""

    def __init__(self) -> None:
        self.core, self.present = Core(), Present()
        core: Any = self.core
        self.channel = RealTimeChannel(
            self.present, self.present.timers, core, 1, 1 << 20, lambda: None
        )
        self.asked: list[bytes] = []
        self.answered: list[bytes] = []
        self.arrived = b""

    def ask(self) -> None:
        frame = _frame(len(self.asked) + 1, GET_DATA, 0)
        self.asked.append(frame)
        # In two pieces: frames have to be put together again.
        self.channel.receive(frame[:6])
        self.channel.receive(frame[6:])

    def answer(self) -> None:
        """The core answers the next request that it has heard."""
        done = sum(frame[4:8] != b"\xff\xff\xff\xff" for frame in self.answered)
        if done < len(self.core.heard):
            self._say(reply(done + 1))

    def tell(self) -> None:
        self._say(event(len(self.answered)))

    def _say(self, frame: bytes) -> None:
        if not self.core.closing:
            self.answered.append(frame)
            self.core.said.append(frame)

    def take(self) -> None:
        self.arrived += b"".join(self.channel.take_packets())

    def heal(self) -> None:
        self.present.stops.clear()
        self.channel.resume()

    def wait(self, time: int) -> None:
        self.present.now += time
        self.present.timers.run_due(self.present.now)


STEPS = st.lists(
    st.sampled_from(["ask", "answer", "tell", "take", "cut up", "cut down", "hold", "heal"])
    | st.tuples(st.sampled_from(["latency", "wait"]), st.integers(0, 20)),
    max_size=60,
)


def go(run: Run, steps: list[Any]) -> None:
    """Takes the steps, and looks after each that nothing came where nothing could."""
    present = run.present
    for step in steps:
        heard, arrived = list(run.core.heard), len(run.arrived)
        match step:
            case "cut up":
                present.cut("to_server")
            case "cut down":
                run.take()
                present.cut("to_client")
                arrived = len(run.arrived)
            case "hold":
                run.take()
                present.cut("events")
                arrived = len(run.arrived)
            case ("latency", time):
                present.latency = time
            case ("wait", time):
                run.wait(time)
            case _:
                getattr(run, step)()
        assert not present.cuts_off("to_server") or run.core.heard == heard
        assert not present.cuts_off("to_client") or len(run.arrived) == arrived
        assert not present.cuts_off("events") or b"\xff\xff\xff\xff" not in run.arrived[arrived:]
        assert b"".join(run.asked).startswith(b"".join(run.core.heard))
        assert b"".join(run.answered).startswith(run.arrived)


@given(STEPS)
def test_everything_arrives_in_order_once_all_is_healed(steps: list[Any]) -> None:
    run = Run()
    go(run, steps)
    run.heal()
    run.present.latency = 0
    run.wait(1000)
    assert run.core.heard == run.asked
    run.take()
    run.wait(1000)
    run.take()
    assert run.arrived == b"".join(run.answered)
    assert run.channel.open
    assert run.present.timers.next() is None


@given(STEPS, st.integers(1, 8), st.sampled_from(["before_request", "before_reply", "after_reply"]))
def test_a_connection_breaks_where_it_is_told_to(steps: list[Any], xid: int, point: Point) -> None:
    run = Run()
    run.present.lost = point, xid
    steps = [step for step in steps if step != "tell"]
    go(run, steps)
    run.heal()
    run.present.latency = 0
    run.wait(1000)
    for _ in range(len(run.asked)):
        run.answer()
        run.take()
    run.wait(1000)
    run.take()
    if len(run.asked) < xid:
        assert run.channel.open
        return
    # The core hears what comes before a reply is on its way; the client hears the replies before.
    if point == "before_request":
        assert len(run.core.heard) == xid - 1
    else:
        assert len(run.core.heard) >= xid
    # What the core had not said yet when the connection broke is lost.
    replies = xid if point == "after_reply" else xid - 1
    assert len(run.arrived) // 20 <= replies
    if point != "before_request":
        assert len(run.arrived) // 20 == replies
    assert not run.channel.open
    assert run.channel.closing, "the client hears of the end"
    assert run.present.forgotten
    assert run.present.timers.next() is None


@given(STEPS)
def test_a_peer_that_goes_is_missed_behind_what_it_sent(steps: list[Any]) -> None:
    run = Run()
    go(run, steps)
    run.channel.lost()
    assert not run.present.cuts_off("to_server") or run.channel.open
    run.heal()
    run.wait(1000)
    assert run.core.heard == run.asked
    assert not run.channel.open
    assert run.core.closing
    assert run.present.forgotten
    assert run.present.timers.next() is None


def test_a_core_that_closes_is_heard_out() -> None:
    run = Run()
    run.present.latency = 5
    run.ask()
    run.wait(5)
    run.answer()
    run.core.closing = True
    run.take()
    assert not run.channel.closing
    run.wait(5)
    run.take()
    assert run.arrived == reply(1)
    assert run.channel.closing


def test_no_timer_is_left_of_what_is_lost() -> None:
    run = Run()
    run.present.latency = 5
    run.ask()
    run.tell()
    run.take()
    run.channel.lose()
    run.channel.lost()
    assert run.present.timers.next() is None
    assert run.present.forgotten
