"""What a program logs is in the history where the simulation wants it, and nowhere else."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from zkfake.history import LogLine
from zkfake.simulation import Simulation, explore

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("shop.jobs")


class Taken(logging.Handler):
    """Keeps the records that a handler is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def taken() -> Iterator[Taken]:
    handler = Taken()
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


def work(sim: Simulation) -> None:
    sim.sleep(5)
    log.debug("looks at job %d", 7)
    log.info("takes job %d", 7)
    sim.sleep(0.25)
    log.warning("job %d is hard", 7)


def lines_of(**arguments: Any) -> list[tuple[Any, ...]]:
    with Simulation(**arguments) as sim:
        sim.spawn(work, sim, name="ann").result()
        return [tuple(event) for event in sim.history.of(LogLine)]


TAKES = (5.0, "ann", "shop.jobs", "INFO", "takes job 7")
LOOKS = (5.0, "ann", "shop.jobs", "DEBUG", "looks at job 7")
HARD = (5.25, "ann", "shop.jobs", "WARNING", "job 7 is hard")


@pytest.mark.parametrize(
    ("wanted", "lines"),
    [
        (None, []),
        ("INFO", [TAKES, HARD]),
        (logging.DEBUG, [LOOKS, TAKES, HARD]),
        ({"shop": "WARNING"}, [HARD]),
        ({"shop.jobs": "DEBUG", "shop": "CRITICAL", "": "CRITICAL"}, [LOOKS, TAKES, HARD]),
        ({"shop.jobs": "CRITICAL", "": "DEBUG"}, []),
        ({"sho": "DEBUG", "shop.jobs.more": "DEBUG"}, []),
    ],
)
def test_the_lines_that_are_wanted_have_their_virtual_time(
    wanted: Any, lines: list[tuple[Any, ...]]
) -> None:
    assert lines_of(logging=wanted) == lines


def test_handlers_are_given_what_they_are_given_without(taken: Taken) -> None:
    lines_of()
    lines_of(logging="DEBUG")
    assert [record.getMessage() for record in taken.records] == ["job 7 is hard"] * 2
    assert not log.isEnabledFor(logging.INFO)


def test_a_record_was_made_in_virtual_time(taken: Taken) -> None:
    with Simulation(logging="INFO") as sim:
        work(sim)
        (record,) = taken.records
        (_, line) = sim.history.of(LogLine)
        assert record.created == sim.epoch_time
        assert record.msecs == 250
        assert record.relativeCreated == 5250
        assert line.time == sim.now == 5.25


def test_a_logger_that_is_silent_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "disabled", True)
    assert lines_of(logging="DEBUG") == []
    monkeypatch.undo()
    log.addFilter(mute := lambda record: record.levelno > logging.INFO)
    try:
        assert lines_of(logging="DEBUG") == [HARD]
    finally:
        log.removeFilter(mute)
    monkeypatch.setattr(log.manager, "disable", logging.INFO)
    assert lines_of(logging="DEBUG") == [HARD]


def kazoo_lines(wanted: Any) -> list[Any]:
    with Simulation(logging=wanted) as sim:
        client = sim.client()
        client.create("/a")
        sim.faults.drop(client)
        sim.settle()
        client.exists("/a")
        return [event for event in sim.history.of(LogLine) if event.logger.startswith("kazoo")]


def test_of_kazoo_there_are_warnings_unless_it_is_named() -> None:
    warnings = kazoo_lines("DEBUG")
    assert warnings
    assert {event.level for event in warnings} == {"WARNING"}
    assert {event.level for event in kazoo_lines({"kazoo": "INFO"})} >= {"WARNING", "INFO"}
    assert kazoo_lines({"shop": "DEBUG"}) == []


def test_the_error_of_a_line_belongs_to_it() -> None:
    with Simulation(logging={"shop": "INFO"}) as sim:
        try:
            int("x")
        except ValueError:
            log.info("cannot read it", exc_info=True)
        log.info("%d jobs", "three")
        log.info("no error", exc_info=True)
    text = [event.text for event in sim.history.of(LogLine)]
    assert text == [
        "cannot read it (ValueError: invalid literal for int() with base 10: 'x')",
        "%d jobs",
        "no error",
    ]


def test_other_threads_log_as_ever(taken: Taken) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # its thread is a real one
        with Simulation(logging="DEBUG") as sim:
            enabled = pool.submit(log.isEnabledFor, logging.INFO)
            pool.submit(log.warning, "real")
            while not (enabled.done() and taken.records):
                pass
            assert not enabled.result()
            assert log.isEnabledFor(logging.INFO)
            assert sim.history.of(LogLine) == []
    assert logging.Logger.isEnabledFor.__module__ == "logging"
    assert logging.Logger.callHandlers.__module__ == "logging"


def test_the_story_tells_them() -> None:
    def leave(sim: Simulation) -> None:
        log.info("leaves\nfor good")
        raise ZeroDivisionError

    with Simulation(logging="INFO") as sim:
        task = sim.spawn(leave, sim, name="ann")
        with pytest.raises(ZeroDivisionError):
            task.result()
        assert "ann     logs INFO: leaves for good\n" in sim.history.story(sim.history.check())


def test_a_search_has_them_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[LogLine] = []

    def program(sim: Simulation) -> None:
        client = sim.client("ann")
        client.create("/a")
        log.info("has made it")

    def check(sim: Simulation) -> None:
        seen.extend(sim.history.of(LogLine))
        raise AssertionError

    found = explore(program, check, seeds=30, jobs=1, logging="INFO", shrink=False, allow=Exception)
    (failure,) = found.failures
    assert "logging='INFO'" in failure.program
    assert {event.logger.partition(".")[0] for event in seen} == {"shop", "kazoo"}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("wanted", ["LOUD", {"shop": "LOUD"}])
def test_what_is_no_level_is_refused(wanted: Any) -> None:
    with pytest.raises(ValueError, match="logging='LOUD' is not a level"):
        Simulation(logging=wanted)
    with pytest.raises(TypeError, match="expected a level"):
        Simulation(logging=[wanted])  # type: ignore[arg-type]
