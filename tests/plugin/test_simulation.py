"""The fixture `zk_simulation`: a test in virtual time, and what it tells when it fails."""

import shlex

import pytest


def test_a_day_passes_at_once_and_the_seed_can_be_chosen(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_simulation(seed=7, servers=3)
        def test_a_day(zk_simulation):
            client = zk_simulation.client()
            client.create("/a", b"1", ephemeral=True)
            before = zk_simulation.now
            zk_simulation.sleep(86_400)
            assert zk_simulation.now - before >= 86_400
            assert client.get("/a")[0] == b"1"
            assert zk_simulation.seed == 7
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def test_a_failure_tells_the_seed_and_how_to_run_it_again(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_simulation(seed=41)
        def test_it(zk_simulation):
            assert zk_simulation.client().exists("/missing")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*zk_simulation*",
            "seed 41; to run it again: pytest *.py::test_it",
            "in code: Simulation(seed=41)",
        ]
    )


def test_what_a_failure_says_to_run_it_again_does_so(pytester: pytest.Pytester) -> None:
    """With the options of the run, and the seed of the environment."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("word", ["a b"])
        def test_it(zk_simulation, word):
            servers = len(zk_simulation.replicas)
            print("seen", zk_simulation.seed, zk_simulation.profile.reorder, servers)
            assert False
        """
    )
    pytester.makeini("[pytest]\nzk_servers = 3")
    result = pytester.runpytest_subprocess("--zk-profile=hostile", "--zk-seed=41")
    (line,) = [line for line in result.outlines if "to run it again" in line]
    program, *arguments = shlex.split(line.partition("again: ")[2])
    assert program == "pytest"
    again = pytester.runpytest_subprocess(*arguments)
    again.assert_outcomes(failed=1)
    seen = [line for line in result.outlines if line.startswith("seen 41")]
    assert seen == [line for line in again.outlines if line.startswith("seen")]


def test_a_deadlock_counts_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(zk_simulation):
            client = zk_simulation.client()
            lock = client.handler.lock_object()
            lock.acquire()
            client.stop()
            lock.acquire()

        def test_after(zk_simulation):
            zk_simulation.client().create("/a")
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*SimulationDeadlock*", "*- zk_simulation -*", "seed 0; *"])
    assert "replay with" not in result.stdout.str(), "told twice"


def test_other_fixtures_share_its_simulation(pytester: pytest.Pytester) -> None:
    """Whatever backend the run has, and whichever comes first."""
    pytester.makepyfile(
        """
        def test_first(zk_simulation, zk_client, zk_chroot):
            other = zk_simulation.client(hosts=zk_simulation.hosts + zk_chroot)
            other.create("/a")
            assert zk_client.exists("/a")

        def test_last(zk_client, zk_dict, zk_backend, zk_server, zk_faults, zk_simulation):
            assert zk_backend == "simulation"
            assert zk_server.simulation is zk_simulation
            assert zk_faults is zk_simulation.faults
            with zk_faults.partition(zk_client):
                zk_simulation.sleep(3600)
            zk_simulation.settle()
            zk_dict["a"] = 1
        """
    )
    result = pytester.runpytest_inprocess("-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*::test_first[[]simulation]*"])


def test_a_client_in_real_time_is_told_of(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_made_before(zk_client, request):
            simulation = request.getfixturevalue("zk_simulation")
            zk_client.create("/a")

        def test_made_within(request):
            request.getfixturevalue("zk_simulation")
            request.getfixturevalue("zk_client")
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*SimulationDeadlock*",
            "*take clients from zk_simulation*",
            "a client in real time cannot be used in virtual time: take clients from *",
        ]
    )


def test_who_has_no_client_in_real_time_is_not_told_of_one(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_fails(zk_simulation): assert False")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    assert "in real time" not in result.stdout.str()


def test_what_fails_only_at_the_end_tells_the_seed_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(zk_simulation):
            zk_simulation.spawn(lambda: 1 / 0)
            zk_simulation.sleep(1)
        """
    )
    result = pytester.runpytest_inprocess("--zk-seed=41")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*TaskFailed*", "*seed 41; replay with *"])
    assert "def __exit__" not in result.stdout.str(), "the simulation's own lines"


@pytest.mark.parametrize("passes", [True, False])
def test_nothing_of_a_simulation_outlives_its_test(pytester: pytest.Pytester, passes: bool) -> None:
    pytester.makepyfile(
        f"""
        import gc, weakref

        seen = []

        def test_it(zk_simulation):
            zk_simulation.client().create("/a")
            seen.append(weakref.ref(zk_simulation._network))
            assert {passes}

        def test_after(request):
            item = request.session.items[0]
            assert not any("imulation" in repr(value) for value in item.stash._storage.values())
            if {passes}:
                gc.collect()
                assert seen[0]() is None
        """
    )
    result = pytester.runpytest_inprocess("--tb=no")
    result.assert_outcomes(passed=1 + passes, failed=not passes)


def test_the_seed_is_chosen_by_mark_then_option_then_ini_then_environment(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_it(zk_simulation):
            print("seed", zk_simulation.seed)

        @pytest.mark.zk_simulation(seed=1)
        def test_marked(zk_simulation):
            print("marked", zk_simulation.seed)
        """
    )
    expected = ["*seed 0*"]
    for source in (None, "environment", "ini", "option"):
        arguments = ["-s"]
        if source == "environment":
            monkeypatch.setenv("ZKFAKE_SEED", "4")
            expected = ["*seed 4*"]
        elif source == "ini":
            pytester.makeini("[pytest]\nzk_seed = 3")
            expected = ["*seed 3*"]
        elif source == "option":
            arguments.append("--zk-seed=2")
            expected = ["zookeeper: *, seed=2", "*seed 2*"]
        result = pytester.runpytest_inprocess(*arguments)
        result.stdout.fnmatch_lines([*expected, "*marked 1*"])


@pytest.mark.parametrize("error", ["ImportError", "ValueError"])
def test_a_module_to_patch_that_cannot_be_imported_is_told_in_one_line(
    pytester: pytest.Pytester, error: str
) -> None:
    pytester.makepyfile(broken=f"raise {error}('planted')")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_simulation(patch=["broken"])
        def test_it(zk_simulation): pass
        """
    )
    pytester.syspathinsert()
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["zk_simulation: planted"])
    assert "Traceback" not in result.stdout.str()
    assert "virtual.py" not in result.stdout.str()


def test_what_options_and_marks_say_of_a_simulation_adds_up(pytester: pytest.Pytester) -> None:
    pytester.makefile(".json", seeds='{"/a": "option", "/b": "option"}')
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zookeeper(settings={"minSessionTimeout": 900}, load={"/b": b"mark"})
        def test_it(zk_simulation):
            client = zk_simulation.client()
            assert (client.get("/a")[0], client.get("/b")[0]) == (b"option", b"mark")
            given = zk_simulation._arguments["settings"]
            assert {name: str(value) for name, value in given.items()} == {
                "tickTime": "100", "minSessionTimeout": "900"
            }
        """
    )
    result = pytester.runpytest_inprocess("--zk-settings=tickTime=100", "--zk-load=seeds.json")
    result.assert_outcomes(passed=1)
