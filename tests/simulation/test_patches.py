"""What a simulation patches, that it all goes back, and what becomes of code that would block."""

from __future__ import annotations

# ruff: noqa: PT012  # a simulation that fails is a block, not a statement
import builtins
import gc
import importlib.util
import io
import pdb
import random
import signal
import subprocess
import sys
import threading
import time
import types
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import greenlet
import kazoo.client
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake._simulation.patching import patches
from zkfake._simulation.stand_ins.ordered_set import OrderedSet
from zkfake.simulation import Simulation, SimulationBlocked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, ModuleType

NAME = "simulated_worker_module"


@pytest.fixture
def worker() -> Iterator[ModuleType]:
    """The module with the code under test, imported afresh under a name of its own."""
    path = Path(__file__).with_name("worker_module.py")
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[NAME]


def _everything() -> dict[str, dict[str, Any]]:
    names = [name for name in sys.modules if name.split(".")[0] in ("kazoo", "zkdict")]
    state = {name: dict(vars(sys.modules[name])) for name in sorted([*names, "time"])}
    state["threads"] = dict(vars(threading.Thread))
    state["conditions"] = dict(vars(threading.Condition))
    state["defaults"] = {
        name: getattr(sys.modules[module], name).__init__.__defaults__
        for module, name in patches.DEFAULT_ARGUMENTS
    }
    state["sets"] = {"set": builtins.set}
    state["garbage"] = {"collected": gc.isenabled()}
    return state


def _difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [
        f"{place}.{name}"
        for place, names in before.items()
        for name in {**names, **after[place]}
        if names.get(name, ...) is not after[place].get(name, ...)
    ]


def test_everything_is_patched_and_goes_back(worker: ModuleType) -> None:
    with Simulation() as sim:  # whatever is imported on the way is imported now
        sim.client()
    before = _everything()
    own = dict(vars(worker))
    with pytest.raises(ZeroDivisionError), Simulation(patch=[NAME]) as sim:
        sim.client()
        patched = _difference(before, _everything())
        assert {"kazoo.retry.time", "kazoo.recipe.lock.uuid", "kazoo.client.set"} <= {*patched}
        assert {"time.sleep", "threads.start", "conditions.wait", "garbage.collected"} <= {*patched}
        assert worker.time is not time
        raise ZeroDivisionError
    assert _difference(before, _everything()) == []
    assert dict(vars(worker)) == own


def test_nothing_is_patched_when_a_simulation_cannot_start() -> None:
    before = _everything()
    with pytest.raises(ModuleNotFoundError), Simulation(patch=["no.such.module"]):
        pass
    assert _difference(before, _everything()) == []
    with Simulation():
        pass


def test_no_greenlet_is_left_behind() -> None:
    def living() -> int:
        gc.collect()
        return sum(
            isinstance(each, greenlet.greenlet) and not each.dead for each in gc.get_objects()
        )

    before = living()
    with Simulation() as sim:
        client = sim.client()
        sim.spawn(sim.sleep, 100)
        sim.spawn(client.handler.event_object().wait)
        sim.sleep(1)
        assert living() > before
    assert living() == before


def test_code_under_test_runs_in_virtual_time_in_modules_that_are_named(worker: ModuleType) -> None:
    with Simulation(patch=[NAME]) as sim:
        assert worker.work() == ([1, 2, 3], 6)
        assert sim.now == 6
        assert sorted(worker.race()) == ["a", "b"]
        assert sim.now == 6 + 5 + 2
        assert worker.places() == [True, True, False]
        iso, seconds = worker.clocks()
        assert iso == "2026-01-01T00:00:13+00:00"
        assert seconds == 1_767_225_613


def test_what_a_function_imports_when_it_runs_is_the_simulations_too(worker: ModuleType) -> None:
    real = builtins.__import__
    with Simulation(patch=[NAME]) as sim:
        assert worker.imports_when_it_runs() == sim.now == 60
        import time as unpatched  # this module is not named

        assert unpatched is time
    assert builtins.__import__ is real


def test_outside_a_simulation_the_same_code_is_real_again(worker: ModuleType) -> None:
    with Simulation(patch=[NAME]):
        pass
    assert worker.threading is threading
    assert worker.chance() != worker.chance()


def test_chance_is_the_seeds(worker: ModuleType) -> None:
    def draws(seed: int) -> list[Any]:
        with Simulation(seed=seed, patch=[NAME]):
            return [worker.chance() for _ in range(3)]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)


def test_what_would_block_the_thread_is_refused_by_name(worker: ModuleType) -> None:
    with Simulation() as sim:
        task = sim.spawn(time.sleep, 5, name="sleeper")
        with pytest.raises(SimulationBlocked, match=r"sleeper calls time.sleep\(5\)"):
            task.result()
        with pytest.raises(SimulationBlocked, match=r"main starts a real thread .*sim\.spawn"):
            worker.work()
        with pytest.raises(SimulationBlocked, match=r"main waits for a real threading\.Event"):
            threading.Event().wait(1)
        assert not threading.Event().wait(0)


def test_the_watchdog_names_a_task_that_blocks_the_thread(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lock = threading.Lock()
    lock.acquire()
    with (
        pytest.raises(SimulationBlocked, match="stuck has blocked"),
        Simulation(watchdog=0.2) as sim,
    ):
        sim.spawn(lock.acquire, name="stuck")
        sim.sleep(1)
    assert "stuck has blocked the thread" in capsys.readouterr().err


_STUCK = """
import threading
from zkfake.simulation import Simulation

lock = threading.Lock()
lock.acquire()
{before}
with Simulation(watchdog=0.2) as sim:
    sim.spawn(lock.acquire, name="stuck")
    sim.sleep(1)
"""


def _stuck(before: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _STUCK.format(before=before)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_the_watchdog_sees_through_a_tracer_that_is_no_debugger() -> None:
    """coverage.py's is set in every thread."""
    tracer = "import sys; trace = lambda *_: None; threading.settrace(trace); sys.settrace(trace)"
    with _stuck(tracer) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "SimulationBlocked: stuck has blocked the thread" in errors


def test_the_watchdog_leaves_a_task_at_a_prompt_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The watchdog looks at the code that runs: not every debugger has a trace function."""
    looked = threading.Event()
    prompts: list[int] = []

    def current_frames() -> dict[int, FrameType]:
        frames = real_frames()
        looked.set()
        return frames

    class Typist(io.StringIO):
        """Types slowly: the watchdog has looked three times before it goes on."""

        def readline(self, *_size: Any) -> str:
            prompts.append(1)
            for _ in range(3):
                looked.clear()
                while not looked.is_set():
                    pass
            return "continue\n"

    real_frames = sys._current_frames
    monkeypatch.setattr(sys, "_current_frames", current_frames)
    tracer = sys.gettrace()
    try:
        with Simulation(watchdog=0.05) as sim:
            pdb.Pdb(stdin=Typist(), stdout=io.StringIO()).set_trace()
            sim.sleep(1)
    finally:
        sys.settrace(tracer)  # a debugger that goes on without a breakpoint takes it away
    assert prompts == [1]
    assert capsys.readouterr().err == ""


def test_the_watchdog_leaves_ctrl_c_alone() -> None:
    # Python's own handler: a shell's background jobs ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), Simulation():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_keep_the_real_world_and_may_have_simulations_of_their_own() -> None:
    def run(seed: int) -> str:
        with Simulation(seed=seed, profile="hostile") as sim:
            client = sim.client()
            client.retry(client.ensure_path, "/a/b")
            sim.sleep(100)
            return sim.history.digest()

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, range(8)))
    assert together == [run(seed) for seed in range(8)]

    seen: list[Any] = []

    def look() -> None:
        time.sleep(0.001)
        retry = sys.modules["kazoo.retry"]
        seen.append((retry.time.monotonic(), time.monotonic()))
        seen.append(kazoo.client.SequentialThreadingHandler().name)

    thread = threading.Thread(target=look)
    release = threading.Event()

    def wait_and_look() -> None:
        release.wait(60)
        look()

    thread = threading.Thread(target=wait_and_look)
    thread.start()
    with Simulation() as sim:
        sim.sleep(1e5)
        release.set()
        while len(seen) < 2:
            pass
    thread.join(60)
    assert abs(seen[0][0] - seen[0][1]) < 100
    assert seen[1] == "sequential_threading_handler"


@given(st.lists(st.tuples(st.sampled_from(["add", "discard"]), st.integers(0, 9))))
def test_an_ordered_set_is_a_set_in_order(steps: list[tuple[str, int]]) -> None:
    ours: OrderedSet[int] = OrderedSet()
    real: set[int] = set()
    order: dict[int, None] = {}
    for step, value in steps:
        getattr(ours, step)(value)
        getattr(real, step)(value)
        if step == "add":
            order.setdefault(value)
        else:
            order.pop(value, None)
        assert (len(ours), value in ours) == (len(real), value in real)
    assert list(ours) == list(order)
    assert {*ours} == real


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 1 << 70)), min_size=1, max_size=20))
def test_randint_draws_what_the_real_one_draws_from_the_seed(ranges: list[tuple[int, int]]) -> None:
    real = random.Random("5/program")
    with Simulation(seed=5):
        chance = vars(sys.modules["kazoo.protocol.connection"])["random"]
        for low, width in ranges:
            assert chance.randint(low, low + width) == real.randint(low, low + width)
        with pytest.raises(ValueError, match="empty range"):
            chance.randint(1, 0)
        assert chance.random() == real.random()


@pytest.mark.parametrize("seeds", [(), (None,)])
def test_a_program_that_seeds_anew_draws_the_same_in_every_run(seeds: tuple[None, ...]) -> None:
    def drawn(seed: int) -> list[float]:
        with Simulation(seed=seed):
            chance = vars(sys.modules["kazoo.protocol.connection"])["random"]
            chance.seed(*seeds)
            mine = chance.random()
            chance.seed(7)
            return [mine, chance.random()]

    assert drawn(5) == drawn(5)
    assert drawn(5)[0] != drawn(6)[0]
    assert drawn(5)[1] == drawn(6)[1] == random.Random(7).random()


def test_simulations_one_after_the_other_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly an object is made between them, which is what the collector goes by."""
    gc.collect()
    # The memory that this process happens to use decides how much more may be used.
    monkeypatch.setattr(patches, "_collect_at", sys.getallocatedblocks() + 50_000)
    clients = []
    for seed in range(24):
        with Simulation(seed=seed) as sim:
            client = sim.client()
            for n in range(200):  # it outlives the collections of young garbage
                client.ensure_path(f"/a/{n}")
        clients.append(weakref.ref(client))
        del client, sim
    assert sum(each() is not None for each in clients) <= 20


def test_modules_themselves_are_patched_whatever_their_names_are() -> None:
    """Two of one name, as files that are loaded by their paths may be; neither can be imported."""
    before = _everything()
    first, second = types.ModuleType("conftest"), types.ModuleType("conftest")
    for module in (first, second):
        module.time = time  # type: ignore[attr-defined]
    with Simulation(patch=[first, second]) as sim:
        for module in (first, second):
            module.time.sleep(60)  # type: ignore[attr-defined]
        assert sim.now == 120
        assert sim.replay == "Simulation(seed=0, patch=('conftest', 'conftest'))"
    assert first.time is second.time is time  # type: ignore[attr-defined]
    assert _difference(before, _everything()) == []
