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


def test_faults_end_before_the_fixtures_do(pytester: pytest.Pytester) -> None:
    """Those that the test has left, and those by chance: in an explored test as in another one."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def cleans_up(zk_client):
            yield
            zk_client.retry(zk_client.ensure_path, "/tidy")

        def test_left(zk_client, cleans_up, zk_faults):
            zk_faults.partition(zk_client)

        @pytest.mark.zk_explore(seeds=2)
        def test_explored(zk_client, cleans_up, zk_faults):
            zk_faults.partition(zk_client)
        """
    )
    result = pytester.runpytest_inprocess("--zk-backend=simulation", "-Werror")
    result.assert_outcomes(passed=2)


def test_a_deadlock_counts_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import threading

        def test_it(zk_client, zk_dict):
            zk_dict["a"] = 1
            threading.Event().wait()

        def test_after(zk_client):
            zk_client.create("/a")
        """
    )
    result = pytester.runpytest_inprocess("--zk-backend=simulation")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*SimulationDeadlock*", "*main waits for an event*"])


def test_what_cannot_be_in_one_simulation_is_left_out_with_the_reason(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(
        """
        from pytest_zkdict import factories

        three = factories.server(servers=3)
        on_three = factories.client("three")
        wide = factories.client(scope="module")
        narrow = factories.client(load={"/a": b"1"})
        """
    )
    pytester.makepyfile(
        """
        import pytest

        def test_three(on_three): pass

        def test_wide(wide): pass

        def test_narrow(narrow):
            assert narrow.get("/a")[0] == b"1"

        def test_own(zk_server_factory, zk_client):
            server = zk_server_factory()
            zk_client.create("/a")
            server.stop()
            server.start()
            assert zk_client.retry(zk_client.exists, "/a")

        @pytest.mark.zookeeper(servers=3, settings={"tickTime": 100})
        def test_marked(zk_server_factory, zk_server):
            assert len(zk_server_factory({"tickTime": 100}, servers=3).simulation.replicas) == 3
            assert zk_server.tick_time == 100

        def test_other(zk_server_factory):
            zk_server_factory({"tickTime": 100}, servers=3)

        def test_two(zk_server_factory):
            zk_server_factory()
            zk_server_factory()
        """
    )
    result = pytester.runpytest_inprocess("--zk-backend=simulation", "-rs", "-Werror")
    result.assert_outcomes(passed=3, skipped=4)
    result.stdout.fnmatch_lines(
        [
            "SKIPPED*the fixture three is a server of its own: the simulation of a test has one*",
            "SKIPPED*the fixture wide is a client of the scope 'module': a simulation ends with*",
            "SKIPPED*wants an ensemble with servers=3, settings={'tickTime': 100}, and its sim*",
            "SKIPPED*wants a second ensemble, and the simulation of a test has one",
        ]
    )


def test_a_fixture_of_a_wider_scope_is_told_that_it_cannot_use_the_server(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def hosts(zk_server):
            return zk_server.hosts

        def test_it(hosts): pass
        """
    )
    result = pytester.runpytest_inprocess("--zk-backend=simulation")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*OutsideOfTestError: a simulated server lasts as long as one*"])


COMPANY = """
    import asyncio
    import time
    import unittest

    import pytest
    from hypothesis import given, settings, strategies as st

    class TestIt:
        @pytest.mark.parametrize("number", [1, 2])
        def test_method(self, zk_client, tmp_path, capsys, monkeypatch, number):
            monkeypatch.setenv("NUMBER", str(number))
            (tmp_path / "file").write_text("kept")
            print("said")
            time.sleep(3600)
            assert capsys.readouterr().out == "said\\n"
            assert zk_client.get_children("/") == []

    class TestCase(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def _fixtures(self, zk_client):
            self.client = zk_client

        def test_case(self):
            time.sleep(3600)
            self.client.create("/a")

    def test_asyncio(zk_async_dict):
        async def program():
            await zk_async_dict.set("tea", 3)
            await asyncio.sleep(3600)
            await zk_async_dict.sync()
            return dict(zk_async_dict.mapping)

        assert asyncio.run(program()) == {"tea": 3}

    @settings(max_examples=5, deadline=None, database=None)
    @given(data=st.binary(max_size=10))
    def test_hypothesis(zk_example, data):
        with zk_example() as example:
            example.client.create("/a", data)
            assert example.client.get("/a")[0] == data
"""


@pytest.mark.parametrize("process", [(), ("-n1",)], ids=["alone", "xdist"])
def test_in_company(pytester: pytest.Pytester, process: tuple[str, ...]) -> None:
    """Of unittest, asyncio, Hypothesis, xdist, and of pytest's own fixtures."""
    pytester.makepyfile(COMPANY)
    result = pytester.runpytest_subprocess("--zk-backend=simulation", "-Werror", *process)
    result.assert_outcomes(passed=5)


def test_an_ordinary_test_is_explored_as_it_is(pytester: pytest.Pytester) -> None:
    """What the mark loads is below the chroot of its clients, and nowhere else."""
    pytester.makepyfile(
        """
        import pytest
        from kazoo.exceptions import ConnectionLoss, KazooException

        @pytest.mark.zk_sweep(faults=["drop_before_reply"], allow=KazooException)
        @pytest.mark.zookeeper(load={"/jobs": b""})
        def test_it(zk_client, zk_server):
            assert "/jobs" not in zk_server.dump()
            try:
                zk_client.create("/jobs/job-", sequence=True)
            except ConnectionLoss:
                zk_client.retry(zk_client.create, "/jobs/job-", sequence=True)
            assert len(zk_client.retry(zk_client.get_children, "/jobs")) == 1
        """
    )
    result = pytester.runpytest_inprocess("-Werror")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*pytest --zk-replay=*::test_it[[]simulation]*",
            "*client-1 did not hear that its request * (create /*jobs/job-) was done*",
        ]
    )
