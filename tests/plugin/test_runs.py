"""The plugin in whole runs: light to load, at home under xdist, content without hypothesis."""

import re
import socket
import subprocess
import sys
from importlib import metadata

import pytest

from zkfake import FakeZooKeeper


def test_loading_the_plugin_imports_nothing_but_pytest() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import pytest_zkdict.plugin\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120
    )
    assert said.stdout.strip() == "['pytest_zkdict']"


def test_a_run_that_does_not_use_it_does_not_import_kazoo(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_it():
            loaded = {name.partition(".")[0] for name in sys.modules}
            assert "pytest_zkdict" in loaded
            assert not loaded & {"kazoo", "zkdict", "zkfake"}
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


WITHOUT = """if True:
    import importlib.abc, sys

    class Missing(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("{package}", "_hypothesis_pytestplugin"):
                raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

    sys.meta_path.insert(0, Missing())
    sys.modules.pop("{package}", None)  # coverage has imported greenlet
    import pytest
    sys.exit(pytest.main(["-p", "no:hypothesispytest"]))
"""
"""A run in which a package can't be imported, in place of an environment without it."""


def test_hypothesis_is_not_needed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_it(zk_client, zk_server_factory):
            zk_client.create("/a")
            zk_server_factory()

        def test_virtual_time(zk_simulation):
            zk_simulation.client().create("/a")

        def test_machines():
            with pytest.raises(ModuleNotFoundError, match="pip install 'zkdict.hypothesis.'"):
                import pytest_zkdict.stateful
        """
    )
    result = pytester.run(sys.executable, "-c", WITHOUT.format(package="hypothesis"))
    result.assert_outcomes(passed=3)


def test_what_virtual_time_needs_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_real_time(zk_dict): zk_dict["a"] = 1

        def test_fixture(zk_simulation): pass

        def test_module():
            with pytest.raises(ModuleNotFoundError, match="pip install 'zkdict.simulation.'"):
                import zkfake.simulation
        """
    )
    result = pytester.run(sys.executable, "-c", WITHOUT.format(package="greenlet"))
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["zk_simulation needs greenlet: pip install 'zkdict[[]pytest]'"])


def test_the_extras_bring_what_the_messages_say() -> None:
    """`zkdict[pytest]` is enough for every fixture, and Hypothesis is an extra of its own."""
    wanted = metadata.requires("zkdict") or []

    def of(extra: str) -> set[str]:
        found = {line for line in wanted if f'extra == "{extra}"' in line.replace("'", '"')}
        return {re.split(r"[^\w-]", line)[0] for line in found} | {
            name
            for line in found
            for inner in re.findall(r"^zkdict\[([\w,-]+)\]", line)
            for part in inner.split(",")
            for name in of(part)
        }

    assert {"pytest", "greenlet"} <= of("pytest")
    assert "hypothesis" not in of("pytest")
    assert of("hypothesis") == {"hypothesis"}
    assert of("simulation") == {"greenlet"}


@pytest.mark.parametrize(("arguments", "outcome"), [("zk_client, ", "passed"), ("", "failed")])
def test_hypothesis_does_not_take_kazoos_random_numbers_for_a_strategys(
    pytester: pytest.Pytester, arguments: str, outcome: str
) -> None:
    """What a thread of kazoo's does now and then, the strategy here does for it every time."""
    pytester.makepyfile(
        f"""
        import random
        from hypothesis import HealthCheck, given, settings, strategies as st

        @settings(suppress_health_check=list(HealthCheck), database=None)
        @given(number=st.integers().map(lambda number: number + random.randint(1, 40)))
        def test_it({arguments}number):
            pass
        """
    )
    pytester.runpytest_subprocess("-Werror").assert_outcomes(**{outcome: 1})


MANY = """
import pytest

@pytest.mark.parametrize("number", range(12))
def test_it(zk_client, zk_chroot, number):
    assert zk_client.get_children("/") == []
    zk_client.create("/a", b"%d" % number)
    assert zk_client.get("/a")[0] == b"%d" % number
    assert "-gw" in zk_chroot
"""


def test_workers_share_one_server_without_seeing_each_other(
    pytester: pytest.Pytester, zk_backend: str
) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(MANY)
    with FakeZooKeeper() as server:
        result = pytester.runpytest_subprocess(
            "-n3", "--zk-backend=live", f"--zk-hosts={server.hosts}"
        )
    result.assert_outcomes(passed=12)


def test_every_worker_has_a_server_of_its_own(
    pytester: pytest.Pytester, zk_server: object, zk_backend: str
) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(MANY)
    result = pytester.runpytest_subprocess("-n2", f"--zk-backend={zk_backend}", "-Werror")
    result.assert_outcomes(passed=12)


def test_a_stopped_run_ends_its_servers(pytester: pytest.Pytester, zk_server: object) -> None:
    """-x, an internal error, Ctrl-C: the end of the run is the end of its servers."""
    pytester.makepyfile(
        """
        import threading

        def test_it(zk_server):
            print("hosts", zk_server.hosts)
            raise KeyboardInterrupt
        """
    )
    backend = zk_server.backend  # type: ignore[attr-defined]
    result = pytester.runpytest_subprocess(f"--zk-backend={backend}", "-s")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    port = re.search(r"hosts \S+:(\d+)", result.stdout.str())
    assert port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port[1])))
