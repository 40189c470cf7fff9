"""A wire keeps its order through cuts, holds and latencies, and loses nothing but by breaking."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from zkfake._channel.wire import EVENT, Wire
from zkfake._timers import Timers

if TYPE_CHECKING:
    from zkfake._channel.wire import Request

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


class Present:
    """What there is at present."""

    def __init__(self) -> None:
        self.timers = Timers()
        self.now = 0
        self.latency = 0
        self.cut: set[str] = set()
        self.holding = False
        self.lost: tuple[str, int] | None = None
        self.forgotten = False

    def count_request(self) -> int:
        return 1

    def at_request(self, request: Request) -> bool:
        request.wire.resume()  # an action of a rule may heal something, in the middle of it all
        return ("before_request", request.head.xid) == self.lost

    def at_reply(self, request: Request) -> tuple[bool, bool]:
        xid = request.head.xid
        request.wire.resume()
        return ("before_reply", xid) == self.lost, ("after_reply", xid) == self.lost

    def delay(self, _wire: Wire) -> int:
        return self.latency

    def stops(self, _wire: Wire, direction: str, tag: object) -> bool:
        return direction in self.cut or (tag is EVENT and self.holding)

    def forget(self, _wire: Wire) -> None:
        self.forgotten = True


class Run:
    """A wire between a socket and a core, and what has gone in and come out."""

    def __init__(self) -> None:
        self.core, self.present = Core(), Present()
        core: Any = self.core
        self.wire = Wire(self.present, core, 1, 1 << 20, lambda: None)
        self.asked: list[bytes] = []
        self.answered: list[bytes] = []
        self.arrived = b""

    def ask(self) -> None:
        frame = _frame(len(self.asked) + 1, GET_DATA, 0)
        self.asked.append(frame)
        # In two pieces: frames have to be put together again.
        self.wire.receive(frame[:6])
        self.wire.receive(frame[6:])

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
        self.arrived += b"".join(self.wire.take_packets())

    def heal(self) -> None:
        self.present.cut.clear()
        self.present.holding = False
        self.wire.resume()

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
                present.cut.add("to_server")
            case "cut down":
                run.take()
                present.cut.add("to_client")
                arrived = len(run.arrived)
            case "hold":
                run.take()
                present.holding = True
                arrived = len(run.arrived)
            case ("latency", time):
                present.latency = time
            case ("wait", time):
                run.wait(time)
            case _:
                getattr(run, step)()
        assert "to_server" not in present.cut or run.core.heard == heard
        assert "to_client" not in present.cut or len(run.arrived) == arrived
        assert not present.holding or b"\xff\xff\xff\xff" not in run.arrived[arrived:]
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
    assert run.wire.open
    assert run.present.timers.next() is None


@given(STEPS, st.integers(1, 8), st.sampled_from(["before_request", "before_reply", "after_reply"]))
def test_a_connection_breaks_where_it_is_told_to(steps: list[Any], xid: int, point: str) -> None:
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
        assert run.wire.open
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
    assert not run.wire.open
    assert run.wire.closing, "the client hears of the end"
    assert run.present.forgotten
    assert run.present.timers.next() is None


@given(STEPS)
def test_a_peer_that_goes_is_missed_behind_what_it_sent(steps: list[Any]) -> None:
    run = Run()
    go(run, steps)
    run.wire.lost()
    assert "to_server" not in run.present.cut or run.wire.open
    run.heal()
    run.wait(1000)
    assert run.core.heard == run.asked
    assert not run.wire.open
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
    assert not run.wire.closing
    run.wait(5)
    run.take()
    assert run.arrived == reply(1)
    assert run.wire.closing


def test_no_timer_is_left_of_what_is_lost() -> None:
    run = Run()
    run.present.latency = 5
    run.ask()
    run.tell()
    run.take()
    run.wire.lose()
    run.wire.lost()
    assert run.present.timers.next() is None
    assert run.present.forgotten
