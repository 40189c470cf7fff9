"""Ordinary tests in virtual time: the backend ``simulation``."""

import pytest


def test_an_ordinary_test_runs_in_virtual_time(pytester: pytest.Pytester) -> None:
    """Its module's `time` and `threading` included; an hour passes at once."""
    pytester.makepyfile(
        """
        import threading
        import time

        def test_it(zk_client, zk_client_factory, zk_dict, zk_backend, zk_hosts):
            assert zk_backend == "simulation"
            assert zk_hosts == "zk1:2181/pytest-1"
            zk_client.create("/jobs", ephemeral=False)
            began = time.monotonic()

            def work():
                time.sleep(3_600)
                zk_client_factory().create("/jobs/done")

            thread = threading.Thread(target=work)
            thread.start()
            zk_dict["a"] = 1
            thread.join()
            assert set(zk_client.get_children("/")) == {"jobs", "zk_dict"}
            assert zk_client.get_children("/jobs") == ["done"]
            assert dict(zk_dict) == {"a": 1}
            assert 3_600 <= time.monotonic() - began < 3_700
        """
    )
    result = pytester.runpytest_inprocess("--zk-backend=simulation", "-Werror")
    result.assert_outcomes(passed=1)


def test_all_backends_are_three(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(zk_client): zk_client.create('/a')")
    result = pytester.runpytest_inprocess("--zk-backend=all", "-v")
    passed = [line for line in result.outlines if "PASSED" in line]
    assert "::test_it[fake]" in passed[0]
    assert "::test_it[simulation]" in passed[-1]
    assert "::test_it[live]" in result.stdout.str()  # skipped, where there is none


def test_a_failure_tells_the_seed_the_story_and_the_command(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(zk_client):
            zk_client.create("/a", b"1")
            assert zk_client.exists("/b")
        """
    )
    result = pytester.runpytest_inprocess("--zk-backend=simulation", "--zk-seed=41")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "seed 41; to run it again: pytest --zk-backend=simulation --zk-seed=41 *::test_it[[]s*",
            "*client-1 *asks server 1: create /a, data=b'1'; done at *",
        ]
    )


def test_a_test_is_a_program_that_can_be_swept(pytester: pytest.Pytester) -> None:
    """Each run has fixtures of its own, in its own simulation; those of a wider scope stay."""
    pytester.makeconftest(
        """
        import pytest
        from kazoo.exceptions import KazooException
        from pytest_zkdict.run import Run
        from pytest_zkdict.virtual import arguments, is_given, program_of
        from zkfake.simulation import Simulation, sweep

        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(pyfuncitem):
            item = pyfuncitem
            if is_given(item):
                return None
            given = arguments(Run.of(item.config), item)
            run = program_of(item)
            if item.originalname == "test_twice":
                digests = []
                for _ in range(2):
                    simulation = Simulation(**given)
                    simulation.run(run)
                    digests.append(simulation.history.digest())
                assert digests[0] == digests[1]
            else:
                found = sweep(run, allow=KazooException, **given)
                (failure,) = found.failures
                assert "was made twice" in str(failure.error)
                assert failure.fault.name == "drop_before_reply"
                assert "patch=('test_" in failure.replay
            return True
        """
    )
    pytester.makepyfile(
        """
        import threading
        import pytest
        from kazoo.exceptions import ConnectionLoss

        made = []

        @pytest.fixture(scope="module")
        def wide():
            made.append(threading.current_thread())
            return made

        @pytest.fixture
        def narrow(zk_client):
            zk_client.create("/narrow")
            yield
            zk_client.retry(zk_client.delete, "/narrow")

        def test_twice(wide, narrow, zk_client):
            assert len(wide) == 1
            assert zk_client.get_children("/") == ["narrow"]

        def test_lost(zk_client):
            zk_client.retry(zk_client.ensure_path, "/jobs")
            while True:
                try:
                    zk_client.create("/jobs/job-", sequence=True)
                    break
                except ConnectionLoss:
                    pass
            jobs = zk_client.retry(zk_client.get_children, "/jobs")
            assert len(jobs) == 1, "it was made twice"
        """
    )
    result = pytester.runpytest_inprocess("--zk-backend=simulation")
    result.assert_outcomes(passed=2)


def test_what_a_fixture_of_a_program_fails_with_is_its_failure(pytester: pytest.Pytester) -> None:
    """But not after the test itself has failed."""
    pytester.makeconftest(
        """
        import pytest
        from pytest_zkdict.run import Run
        from pytest_zkdict.virtual import arguments, is_given, program_of
        from zkfake.simulation import Simulation

        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(pyfuncitem):
            item = pyfuncitem
            if is_given(item):
                return None
            run = program_of(item)
            for _ in range(2):
                with pytest.raises(AssertionError) as failure:
                    Simulation(**arguments(Run.of(item.config), item)).run(run)
                assert item.originalname in str(failure.value)
            return True
        """
    )
    pytester.makepyfile(
        """
        import pytest

        from pytest_zkdict.virtual import is_given

        @pytest.fixture
        def before(request):
            assert not is_given(request.node), "test_before"

        @pytest.fixture
        def after(request):
            yield
            assert not is_given(request.node), "test_after"

        def test_itself(zk_client, after):
            assert False, "test_itself"

        def test_before(zk_client, before):
            pass

        def test_after(zk_client, after):
            pass
        """
    )
    result = pytester.runpytest_inprocess("--zk-backend=simulation")
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("real", "says"),
    [
        ("subprocess.run(['true'])", "main starts a process, which would run beside the sim*"),
        ("socket.create_connection(('127.0.0.1', 1))", "main uses a real socket, which knows*"),
        ("socket.create_server(('127.0.0.1', 0))", "main uses a real socket, which knows*"),
        ("os.fork()", "main forks, and the child would have half of the simulation*"),
        ("other.start_thread()", "main starts a real thread (Thread-1 (*)), which a simulation*"),
        ("other.wait()", "main calls time.sleep(1), which would stop every task*"),
    ],
)
def test_what_is_real_is_told_with_what_to_do(
    pytester: pytest.Pytester, real: str, says: str
) -> None:
    pytester.makepyfile(
        other="""
        import threading, time

        def start_thread():
            threading.Thread(target=print).start()

        def wait():
            time.sleep(1)
        """
    )
    pytester.makepyfile(
        f"""
        import os, socket, subprocess
        import other

        def test_it(zk_client):
            {real}
        """
    )
    pytester.syspathinsert()
    result = pytester.runpytest_inprocess("--zk-backend=simulation", "-Werror")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [f"*SimulationBlocked: {says}", "*--zk-patch=shop*", "*zk_backend('both')*"]
    )


def test_in_real_time_nothing_is_refused(pytester: pytest.Pytester) -> None:
    """Neither on another backend, nor after a test in the simulation."""
    pytester.makepyfile(
        """
        import subprocess, sys

        def test_it(zk_client, zk_backend):
            if zk_backend == "fake":
                subprocess.run([sys.executable, "-c", ""], check=True)
        """
    )
    result = pytester.runpytest_inprocess("--zk-backend=all", "-p", "no:randomly")
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] >= 2
    assert "failed" not in outcomes
