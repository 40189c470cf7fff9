"""The mark `zookeeper` and its short forms: merged from module, class and function, and checked."""

import pytest

BACKENDS = "'fake', 'live', 'both', 'simulation' or 'all' as backend"


def test_marks_of_module_class_and_function_add_up(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.zookeeper(
            servers=3, settings={"tickTime": 100}, load={"/a": b"module", "/b": b"module"}
        )

        @pytest.mark.zookeeper(settings={"minSessionTimeout": 3000}, load={"/b": b"class"})
        class TestIt:
            @pytest.mark.zookeeper(load={"/c/d": None})
            def test_all(self, zk_fake, zk_client):
                assert len(zk_fake.members) == 3
                assert (zk_fake.tick_time, zk_fake.min_session_timeout) == (100, 3.0)
                assert zk_client.get("/a")[0] == b"module"
                assert zk_client.get("/b")[0] == b"class"
                assert zk_client.get("/c/d")[0] is None

            @pytest.mark.zookeeper(servers=1, version="3.8")
            def test_the_nearest_wins(self, zk_server):
                assert len(zk_server.members) == 1
                assert zk_server.version.startswith("3.8")

        def test_module(zk_server, zk_client):
            assert zk_server.min_session_timeout == 0.2
            assert zk_client.get("/b")[0] == b"module"
        """
    )
    pytester.runpytest_inprocess("-Werror").assert_outcomes(passed=3)


def test_marks_of_a_simulation_add_up(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.zookeeper(seed=3, patch=["json"], load={"/a": b"1"})

        @pytest.mark.zk_simulation(servers=3, profile="realistic")
        class TestIt:
            @pytest.mark.zk_simulation(seed=7, patch=["csv"], reorder=0.5)
            def test_it(self, zk_simulation):
                assert zk_simulation.seed == 7
                assert len(zk_simulation.replicas) == 3
                assert zk_simulation.profile.reorder == 0.5
                assert set(zk_simulation._arguments["patch"]) == {"json", "csv"}

        def test_module(zk_simulation):
            assert zk_simulation.seed == 3
            assert len(zk_simulation.replicas) == 1
            assert zk_simulation.client().get("/a")[0] == b"1"

        @pytest.mark.zookeeper(servers=3)
        def test_load_into_an_ensemble(zk_simulation):
            assert zk_simulation.client().get("/a")[0] == b"1"
        """
    )
    pytester.runpytest_inprocess("-Werror").assert_outcomes(passed=3)


@pytest.mark.zk_backend("live")
def test_servers_and_settings_mean_the_same_on_live(
    pytester: pytest.Pytester, zk_backend: str
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zookeeper(servers=3, settings={"minSessionTimeout": 3000}, load={"/a": b"1"})
        def test_it(zk_live, zk_client):
            assert len(zk_live.members) == 3
            assert len(zk_client.hosts) == 3
            assert zk_client.get("/a")[0] == b"1"
            assert zk_live.min_session_timeout == 3
        """
    )
    pytester.runpytest_inprocess("--zk-backend=live").assert_outcomes(passed=1)


@pytest.mark.zk_backend("live")
def test_another_version_than_the_live_servers_skips(
    pytester: pytest.Pytester, zk_backend: str, live_version: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.zookeeper(version="3.4")
        def test_another(zk_client): pass

        @pytest.mark.zookeeper(version="{live_version}")
        def test_this(zk_client): pass
        """
    )
    result = pytester.runpytest_inprocess("--zk-backend=live", "--zk-require-live", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*wants ZooKeeper 3.4, and the live server is 3.*"])


@pytest.mark.parametrize(
    ("mark", "runs_on"),
    [
        ('zookeeper(backend="live")', ["live"]),
        ('zookeeper(backend=["live", "fake"])', ["fake", "live"]),
        ('zookeeper(backend="both")', ["fake", "live"]),
        ('zookeeper(backend="all")', ["fake", "live"]),
        ('zookeeper(backend=["fake", "simulation"])', ["fake"]),
        ('zookeeper(backend="simulation")', ["simulation"]),
        ('zk_backend("fake", "live")', ["fake", "live"]),
    ],
)
def test_which_backends_a_test_runs_on(
    pytester: pytest.Pytester, mark: str, runs_on: list[str]
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        pytestmark = pytest.mark.zk_backend("fake")

        @pytest.mark.{mark}
        def test_it(zk_backend): pass

        def test_module(zk_backend): pass
        """
    )
    result = pytester.runpytest_inprocess("--collect-only", "-q", "--zk-backend=both")
    found = [line.partition("::")[2] for line in result.outlines if "::" in line]
    assert sorted(found) == sorted(
        [*(f"test_it[{backend}]" for backend in runs_on), "test_module[fake]"]
    )


@pytest.mark.parametrize(
    ("mark", "wrong"),
    [
        ("zk_backend", "zk_backend takes a backend, as in zk_backend('fake'), not zk_backend()"),
        ("zk_backend(name='fake')", "zk_backend takes a backend*, not zk_backend(name='fake')"),
        ("zk_backend('real')", f"zk_backend takes {BACKENDS}, not 'real'"),
        ("zk_backend('fake', 'real')", f"zk_backend takes {BACKENDS}, not 'real'"),
        ("zk_simulation(7)", "zk_simulation takes arguments by name only*not zk_simulation(7)"),
        ("zookeeper('fake')", "zookeeper takes arguments by name only*, not zookeeper('fake')"),
        ("zookeeper(server=3)", "zookeeper has no argument 'server'; there are backend, servers*"),
        ("zookeeper(backend='real')", f"zookeeper takes {BACKENDS}, not 'real'"),
        ("zookeeper(backend=[])", f"zookeeper takes {BACKENDS}, not an empty list"),
        ("zookeeper(servers='3')", "zookeeper takes an int as servers, not '3'"),
        ("zookeeper(servers=0)", "zookeeper takes 1 to 254 servers, not 0"),
        ("zookeeper(seed=True)", "zookeeper takes an int as seed, not True"),
        ("zookeeper(version=3.9)", "zookeeper takes a str as version, such as '3.9', not 3.9"),
        ("zookeeper(settings=['tickTime'])", "zookeeper takes a mapping as settings, such as *"),
        ("zookeeper(load={'a': b''})", "zookeeper takes paths such as '/a/b' in load, not 'a'"),
        ("zookeeper(load={'/a': 'x'})", "zookeeper takes bytes or None as data in load, not 'x'*"),
        (
            "zookeeper(load='no.yaml')",
            "zookeeper takes the name of a tree file as load: no.y*",
        ),
        ("zookeeper(load=['/a'])", "zookeeper takes a mapping*as load, not *'/a'*"),
        ("zookeeper(patch='shop')", "zookeeper takes a list of module names as patch, not 'shop'"),
        (
            "zookeeper(profile=__import__('zkfake.simulation').simulation.Profile)",
            "zookeeper takes the name of a profile, or a Profile, as profile, *",
        ),
        (
            "zookeeper(profile=3)",
            "zookeeper takes the name of a profile, or a Profile, as profile, *",
        ),
        ("zk_simulation(patch='shop')", "zk_simulation takes a list of module names as patch, *"),
        ("zk_simulation(settings='tickTime=9')", "zk_simulation takes a mapping as settings, *"),
        ("zk_simulation(load={'a': b''})", "zk_simulation takes paths such as '/a/b' in load, *"),
    ],
)
@pytest.mark.parametrize("fixture", ["zk_client", "zk_simulation", ""])
def test_wrong_arguments_end_the_run_and_name_the_test(
    pytester: pytest.Pytester, mark: str, wrong: str, fixture: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.{mark}
        def test_it({fixture}): pass
        """
    )
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *.py::test_it*: the mark {wrong.replace('[', '[[]')}"])
    assert "Traceback" not in result.stderr.str()


def test_in_workers_of_xdist_they_fail_the_test(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_backend("real")
        def test_it(zk_client): pass

        def test_other(zk_client): pass
        """
    )
    result = pytester.runpytest_subprocess("-n1")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*test_it*: the mark zk_backend takes {BACKENDS}*"])


NO_EFFECT = (
    "the mark zookeeper(servers=...) has no effect: it needs a fixture with a server, such as "
    "zk_client or zk_dict, or zk_simulation, and the test has none. Name the fixture as an "
    "argument of the test, or in @pytest.mark.usefixtures(...)"
)


@pytest.mark.parametrize(
    ("mark", "fixture", "wrong"),
    [
        ("zookeeper(settings={'tikTime': 1})", "zk_client", "'tikTime' is not a setting; did*"),
        ("zookeeper(settings={'tikTime': 1})", "zk_simulation", "'tikTime' is not a setting; did*"),
        ("zookeeper(settings={'tickTime': 'x'})", "zk_server", "tickTime = 'x': expected an*"),
        ("zookeeper(version='3.3')", "zk_client", "version '3.3' is not known; choose one of*"),
        ("zookeeper(version='3.3')", "zk_simulation", "version '3.3' is not known; choose one of*"),
        (
            "zk_simulation(sede=7)",
            "zk_simulation",
            "'sede' is not an argument of a Simulation, nor*",
        ),
        (
            "zookeeper(profile='mean')",
            "zk_simulation",
            "'mean' is not a profile; expected one of calm*",
        ),
        (
            "zk_simulation(profile='mean')",
            "zk_simulation",
            "'mean' is not a profile; expected one of*",
        ),
        # Marks that nothing in the test obeys.
        ("zookeeper(servers=3)", "", NO_EFFECT),
        ("zookeeper(load={})", "tmp_path", "the mark zookeeper(load=...) has no effect: *"),
        ("zookeeper(backend='fake')", "", "the mark zookeeper(backend=...) has no effect: *"),
        ("zk_backend('live')", "", "the mark zk_backend has no effect: it needs a fixture with*"),
        ("zk_backend('live')", "zk_simulation", "the mark zk_backend has no effect: it needs*"),
        (
            "zookeeper(profile='hostile', backend='fake')",
            "zk_client",
            "the mark zookeeper(profile=...) has no effect: it needs the fixture zk_simul*",
        ),
        ("zookeeper(backend='both', seed=1)", "zk_client", "the mark zookeeper(seed=...) has no*"),
        ("zk_simulation(seed=1)", "", "the mark zk_simulation(seed=...) has no effect: *"),
        # Marks and fixtures that exclude each other.
        (
            "zk_backend('live')",
            "zk_fake, zk_client",
            "its mark wants the backend live, and the fixture zk_fake is there on fake and*",
        ),
        (
            "zookeeper(servers=1)",
            "zk_fake, zk_live",
            "no backend has all of its fixtures: there is zk_fake on fake and simulation and *",
        ),
    ],
)
def test_what_cannot_be_ends_the_run_before_its_first_test(
    pytester: pytest.Pytester, mark: str, fixture: str, wrong: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        def test_before(zk_client): pass

        @pytest.mark.{mark}
        def test_it({fixture}): pass
        """
    )
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *.py::test_it*: {wrong}"])
    assert "Traceback" not in result.stderr.str()
    # What is left out is not judged.
    pytester.runpytest_inprocess("-k", "test_before").assert_outcomes(passed=1, deselected=1)


def test_marks_that_may_have_an_effect_are_not_judged(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.zookeeper(servers=3, seed=7, load={"/a": b"1"})

        def test_of_a_module(): pass

        @pytest.mark.zk_backend("fake")
        class TestOfAClass:
            def test_it(self): pass

        @pytest.mark.zookeeper(seed=8, profile="realistic")
        def test_by_name(request):
            assert request.getfixturevalue("zk_simulation").seed == 8

        @pytest.fixture
        def simulation(request):
            return request.getfixturevalue("zk_simulation")

        @pytest.mark.zk_simulation(seed=9)
        def test_by_a_fixture(simulation):
            assert simulation.seed == 9

        @pytest.mark.zookeeper(load={"/a": b"2"})
        @pytest.mark.usefixtures("zk_client")
        def test_by_usefixtures(): pass

        @pytest.mark.zookeeper(settings={"onLiveOnly": 1}, backend="live", version="3.4")
        def test_live(zk_client): pass
        """
    )
    pytester.runpytest_inprocess("-Werror").assert_outcomes(passed=5, skipped=1)


def test_the_znodes_of_a_mark_are_there_for_zk_example(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zookeeper(load={"/a": b"1"})
        def test_it(zk_example):
            with zk_example() as example:
                assert example.client.get("/a")[0] == b"1"

        def test_other(zk_example):
            with zk_example() as example:
                assert example.client.exists("/a") is None
        """
    )
    pytester.runpytest_inprocess("-Werror").assert_outcomes(passed=2)


def test_a_module_to_patch_that_is_not_there_fails_the_test_in_words(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zookeeper(patch=["no_such"])
        def test_it(zk_simulation): pass
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["zk_simulation: patch names 'no_such', and there is no such module"]
    )
    assert "pytest_zkdict/" not in result.stdout.str()


def test_the_marks_are_listed(pytester: pytest.Pytester) -> None:
    listed = pytester.runpytest_inprocess("--markers").stdout.str()
    for mark in ("zookeeper(backend=", "zk_backend(*names)", "zk_simulation("):
        assert f"@pytest.mark.{mark}" in listed
