"""Which message arrives first is a choice of the schedule, as is which task runs next."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.exceptions import KazooException

from zkfake._search.causes import cause_of
from zkfake._search.worlds import decisions
from zkfake.history import Disconnected, Fault, Reply, Sent
from zkfake.simulation import Simulation, explore

NAMES = ("ann", "bob", "cat")


def race(sim: Simulation, clients: int = 2, writes: int = 1) -> str:
    """Clients that write at the same virtual time, each on a server of its own where there are
    several. Returns the first letters of their names, in the order of the writes.
    """
    sim.load({"/race": b""})
    everybody = []
    followers = [each.id for each in sim.replicas if each.id != sim.leader] or [1]
    for number, name in enumerate(NAMES[:clients]):
        server = followers[number % len(followers)]
        everybody.append(sim.client(name, hosts=f"zk{server}:2181"))
    sim.sleep(10)
    results = [
        client.create_async(f"/race/{name[0]}", sequence=True)
        for _ in range(writes)
        for name, client in zip(NAMES, everybody, strict=False)
    ]
    for result in results:
        with suppress(KazooException):  # "pct" may delay a client past its session
            result.get()
    znodes = sorted(path.rpartition("/")[2] for path in sim.dump("/race") if path != "/race")
    return "".join(name[0] for name in sorted(znodes, key=lambda name: name[1:]))


def raced(clients: int = 2, writes: int = 1, **arguments: Any) -> tuple[str, list[int]]:
    """The order of the writes, and from how many was chosen at each choice."""
    with Simulation(**arguments) as sim:
        schedule = decisions(sim).schedule
        return race(sim, clients, writes), schedule.widths


ENSEMBLE = {"servers": 3, "server_latency": (0.002, 0.002)}


@pytest.mark.parametrize("world", [{}, ENSEMBLE, {"servers": 3}])
def test_the_message_that_was_sent_first_arrives_first_unless_another_one_is_chosen(
    world: dict[str, Any],
) -> None:
    first, widths = raced(**world)
    assert first == "ab"
    # With one choice other than the first one, the other order is there as well.
    swapped = {
        number: raced(schedule={number: 1}, **world)[0] for number in range(1, len(widths) + 1)
    }
    assert set(swapped.values()) == {"ab", "ba"}


@pytest.mark.parametrize("schedule", ["random", "pct"])
@pytest.mark.parametrize("world", [{}, ENSEMBLE])
def test_schedules_draw_which_message_arrives_first(schedule: str, world: dict[str, Any]) -> None:
    orders = {raced(3, schedule=schedule, seed=seed, **world)[0] for seed in range(40)}
    assert len(orders) > 2


def test_between_servers_the_link_is_what_is_chosen() -> None:
    _, widths = raced(**ENSEMBLE)
    told: dict[str, set[str]] = {}
    for number in range(1, len(widths) + 1):
        with Simulation(schedule={number: 1}, **ENSEMBLE) as sim:
            order = race(sim)
            (text,) = decisions(sim).schedule.orders.values()
            told.setdefault(text, set()).add(order)
    link = (
        "a message on the link from server 3 to server 2 arrives before one on the link from "
        "server 1 to server 2"
    )
    assert "ba" in told[link]
    # Which of two messages to different servers arrives first changes nothing there.
    assert not any("to server 1" in text or "to server 3" in text for text in told)
    assert any("a message on connection 2 of bob arrives before one on" in text for text in told)
    assert any(text.startswith("task bob/") for text in told)


def test_what_one_connection_brings_at_a_time_comes_at_once() -> None:
    """Of two clients with two messages each there is one choice, and it decides who is first."""

    def ask(schedule: dict[int, int]) -> tuple[str, list[int]]:
        with Simulation(schedule=schedule) as sim:
            kept = decisions(sim).schedule
            choose, choices = kept.choose_message, []

            def chosen(arriving: list[Any]) -> int:
                place = choose(arriving)
                choices.append(len(kept.widths))
                return place

            kept.choose_message = chosen  # type: ignore[method-assign]
            order = race(sim, writes=2)
            return order, choices

    first, choices = ask({})
    assert first == "aabb"
    assert len(choices) == 1
    assert ask({choices[-1]: 1}) == ("bbaa", choices)


@settings(max_examples=25)
@given(
    schedule=st.sampled_from(["random", "pct"])
    | st.dictionaries(st.integers(1, 80), st.integers(0, 3), max_size=20),
    seed=st.integers(0, 2**32),
    world=st.sampled_from([{}, ENSEMBLE]),
)
def test_messages_of_one_connection_keep_their_order(
    schedule: Any, seed: int, world: dict[str, Any]
) -> None:
    with Simulation(schedule=schedule, seed=seed, **world) as sim:
        race(sim, 3, 3)
        history = sim.history
        for name in NAMES:
            for kind in (Sent, Reply):
                numbers = [event.number for event in history.of(kind) if event.client == name]
                assert numbers == sorted(numbers)
            answered = [event for event in history.of(Reply) if event.client == name]
            zxids = [event.zxid for event in answered if event.operation == "create"]
            assert zxids == sorted(zxids)
        history.check().raise_if_broken()


def test_what_was_drawn_is_repeated_by_its_choices() -> None:
    for schedule in ("random", "pct"):
        for seed in range(10):
            with Simulation(schedule=schedule, seed=seed, servers=3) as sim:
                kept = decisions(sim).schedule
                order = race(sim, 3)
                delays, events = list(kept.delays), [repr(event) for event in sim.history]
            with Simulation(schedule=kept.choices, seed=seed, servers=3) as sim:
                for delay in delays:
                    sim.faults.delay_task(delay.task, step=delay.step, seconds=delay.seconds)
                assert race(sim, 3) == order
                assert [repr(event) for event in sim.history] == events


def bob_first(sim: Simulation) -> None:
    """A lost request lets bob be first as well: that does not count."""
    order = race(sim)
    assert sim.history.of(Disconnected) or sim.history.of(Fault) or order == "ab", "bob was first"


def test_an_order_that_a_failure_needs_is_shrunk_pasted_and_told() -> None:
    found = explore(
        bob_first,
        seeds=40,
        jobs=1,
        profile="calm",
        schedule="random",
        servers=1,
        stop_after=1,
    )
    (failure,) = found.failures
    assert failure.shrunk
    (line,) = failure.faults
    assert line.startswith("schedule={")
    assert " runs before task " in failure.explanation or " arrives before " in failure.explanation
    names = {"bob_first": bob_first}
    with pytest.raises(AssertionError, match="bob was first") as raised:
        exec(failure.program, names)
    assert cause_of(raised.value) == failure.cause
