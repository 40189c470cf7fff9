"""A debugger starts at an event, and nothing happens while it stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from zkfake.simulation import Simulation, SimulationError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str, float]]:
    """What is seen at each prompt: the number of events, the last one, and the virtual time."""
    seen: list[tuple[int, str, float]] = []

    def prompt() -> None:
        import sys

        names = sys._getframe(1).f_locals
        sim: Any = names["sim"]
        assert names["event"] is sim.history[-1]
        assert isinstance(sim.dump(), dict)
        seen.append((len(sim.history), type(sim.history[-1]).__name__, sim.now))

    monkeypatch.setattr("sys.breakpointhook", prompt)
    return seen


def program(sim: Simulation) -> None:
    client = sim.client("ann", timeout=4)
    client.create("/jobs", b"")
    client.create("/jobs/one", b"")
    sim.faults.drop("ann")
    client.retry(client.get, "/jobs/one")


def events(arm: Callable[[Simulation], object] = lambda _: None) -> list[str]:
    with Simulation() as sim:
        arm(sim)
        program(sim)
        return [repr(event) for event in sim.history]


def test_a_debugger_starts_at_the_event_of_a_number(prompts: list[Any]) -> None:
    expected = events()
    begun: list[int] = []
    events(lambda sim: begun.append(len(sim.history)))
    for number in range(begun[0] + 1, len(expected) + 1):
        prompts.clear()
        assert events(lambda sim, n=number: sim.pause_at(n)) == expected  # type: ignore[misc]
        assert [prompt[0] for prompt in prompts] == [number]


@pytest.mark.parametrize(
    ("event", "kinds"),
    [
        ("Sent:/jobs/*", ["Sent", "Sent", "Sent"]),
        ("Reply:/jobs", ["Reply"]),
        ("Fault", ["Fault"]),
        ("WatchEvent", []),
    ],
)
def test_a_debugger_starts_at_each_event_of_a_kind(
    event: str, kinds: list[str], prompts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = events()
    monkeypatch.setenv("ZKFAKE_BREAK", event)
    assert events() == expected
    assert [prompt[1] for prompt in prompts] == kinds


@pytest.mark.parametrize("event", ["0", "-1", "", "sent", "Sent/jobs", "Commited", 0])
def test_what_names_no_event_is_refused(event: int | str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulation() as sim, pytest.raises(ValueError, match=r"the kinds are .*Connected"):
        sim.pause_at(event)
    monkeypatch.setenv("ZKFAKE_BREAK", str(event))
    with pytest.raises(ValueError, match="does not name an event"), Simulation():
        pass
    monkeypatch.delenv("ZKFAKE_BREAK")
    with Simulation():  # nothing is left of the one that was refused
        pass


def test_an_event_that_has_happened_is_refused() -> None:
    with (
        Simulation() as sim,
        pytest.raises(ValueError, match=r"event 1 has happened: there are \d"),
    ):
        sim.pause_at(1)


def test_only_a_simulation_that_runs_stands_still() -> None:
    with pytest.raises(SimulationError, match="has not begun"):
        Simulation().pause_at(1)
