"""What fails where nobody looks fails the run: threads, callbacks, event loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from zkfake.simulation import Simulation, TaskFailed, explore, sweep

from . import threads

if TYPE_CHECKING:
    from collections.abc import Callable


class LostTrackError(Exception):
    """What the programs fail with."""


def fail(*_: Any) -> None:
    raise LostTrackError


def daemon(sim: Simulation) -> None:
    threads.in_thread(fail, daemon=True)
    sim.sleep(1)


def thread(_: Simulation) -> None:
    threads.in_thread(fail, daemon=False).join()


def task_of_a_client(sim: Simulation) -> None:
    sim.client("ann").handler.spawn(fail)
    sim.sleep(1)


def watch(sim: Simulation) -> None:
    client = sim.client("ann")
    client.create("/a")
    client.get("/a", watch=fail)
    client.set("/a", b"")
    sim.sleep(1)


def watcher(sim: Simulation) -> None:
    client = sim.client("ann")

    @client.DataWatch("/a")  # type: ignore[untyped-decorator]
    def changed(data: object, *_: Any) -> None:
        if data is not None:
            fail()

    client.create("/a")
    sim.sleep(1)


def completion(sim: Simulation) -> None:
    sim.client("ann").get_async("/").rawlink(fail)
    sim.sleep(1)


def task_of_a_loop(_: Simulation) -> None:
    threads.in_loop(fail)


def callback_of_a_loop(_: Simulation) -> None:
    threads.in_callback_of_loop(fail)


PROGRAMS = {
    daemon: "task helper failed, and nobody asked for its result",
    thread: "task helper failed, and nobody asked for its result",
    task_of_a_client: "task ann/fail failed, and nobody asked for its result",
    watch: "a callback of ann failed, and that is only logged",
    watcher: "a callback of ann failed, and that is only logged",
    completion: "a callback of ann failed, and that is only logged",
    task_of_a_loop: "a task or a callback of an event loop failed, and that is only logged",
    callback_of_a_loop: "a task or a callback of an event loop failed, and that is only logged",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_nobody_looks_at_fails_the_run(program: Callable[[Simulation], None]) -> None:
    with pytest.raises(TaskFailed) as raised:
        Simulation(patch=[threads.__name__]).run(program)
    assert str(raised.value) == PROGRAMS[program]
    assert isinstance(raised.value.__cause__, LostTrackError)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_search_sees_it_unless_it_is_allowed(program: Callable[[Simulation], None]) -> None:
    arguments: dict[str, Any] = {
        "seeds": 1,
        "jobs": 1,
        "profile": "calm",
        "patch": [threads.__name__],
    }
    (failure,) = explore(program, shrink=False, **arguments).failures
    assert failure.cause.error == "LostTrackError"
    assert failure.cause.place.endswith("in fail")
    assert explore(program, allow=LostTrackError, **arguments)


def test_a_sweep_sees_it_too() -> None:
    def program(sim: Simulation) -> None:
        client = sim.client("ann")
        client.add_listener(lambda state: state == "LOST" and client.handler.spawn(fail))
        client.retry(client.ensure_path, "/a")

    report = sweep(program, ["expire", "hold_watches"])
    assert {failure.fault.name for failure in report.failures if failure.fault} == {"expire"}
    assert sweep(program, ["expire"], allow=LostTrackError)


def test_what_a_programs_own_handler_is_told_of_is_handled() -> None:
    told: list[Any] = []

    def program(_: Simulation) -> None:
        threads.in_loop(fail, lambda _, context: told.append(context["exception"]))

    Simulation(patch=[threads.__name__]).run(program)
    assert [type(error) for error in told] == [LostTrackError]


def test_a_thread_of_kazoos_that_ends_with_an_error_of_kazoos_is_no_failure() -> None:
    """A watcher's, for one, whose client is stopped while it asks again."""

    def program(sim: Simulation) -> None:
        client = sim.client("ann")
        client.stop()
        client.handler.spawn(client.get, "/")
        sim.sleep(1)

    Simulation().run(program)


def test_a_task_whose_error_is_allowed_fails_no_search() -> None:
    def program(sim: Simulation) -> None:
        sim.spawn(fail, name="helper").join()

    assert not explore(program, seeds=1, jobs=1, profile="calm", shrink=False)
    assert explore(program, seeds=1, jobs=1, profile="calm", allow=LostTrackError)
