"""The marks `zk_explore` and `zk_sweep`: a test in many worlds, and what it tells when it fails."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

IN_PROCESS = ("-p", "no:cacheprovider", "-p", "no:xdist", "-Werror")

JOBS = """
    import time
    from kazoo.exceptions import ConnectionLoss

    def put(client, job):
        while True:
            try:
                return client.create("/jobs/job-", job, sequence=True)
            except ConnectionLoss:
                time.sleep(1)
"""

TEST_JOBS = """
    import pytest
    from jobs import put
    from kazoo.exceptions import KazooException

    @pytest.mark.{mark}(allow=KazooException)
    @pytest.mark.zookeeper(patch=["jobs"], load={{"/jobs": b""}})
    def test_each_job_is_put_once(zk_simulation):
        shop = zk_simulation.client("shop")
        put(shop, b"paint")
        put(shop, b"sweep")
        zk_simulation.settle()
        assert len(zk_simulation.dump("/jobs")) == 3
"""


@pytest.fixture
def jobs(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(jobs=JOBS)
    pytester.syspathinsert()
    return pytester


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*IN_PROCESS, *arguments)


def commands(result: pytest.RunResult) -> list[list[str]]:
    """The arguments of the commands that a report shows."""
    found = [shlex.split(line) for line in result.outlines if line.strip().startswith("pytest --")]
    assert found
    assert all(words[0] == "pytest" for words in found)
    return [words[1:] for words in found]


def test_a_failure_tells_why_what_it_needs_and_how_to_have_it_again(
    jobs: pytest.Pytester,
) -> None:
    jobs.makepyfile(TEST_JOBS.format(mark="zk_explore"))
    result = run(jobs, "--zk-timeline=pictures")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>       assert len(zk_simulation.dump("/jobs")) == 3',
            "*- zk_explore -*",
            "Why: shop did not hear that its request 2 (create /jobs/job-) was done at *",
            "*Then shop asked for the same again*",
            "Hint: after ConnectionLoss, look whether the write was done before *",
            "The program asks for that here:",
            "- jobs.py:* in put: requests 2 and 4 of shop (create /jobs/job-)",
            "It needs this:",
            "- the connection of shop is lost before the reply to request 2, the 2nd of shop *",
            "The test fails in * of 100 worlds (swarm)*",
            "The judges find nothing broken*",
            "*shop * create /jobs/job-*",
            "A picture of it: *.html",
            "To run it again:",
            "With a debugger where the runs part:",
            "As a test of its own, to paste below this one:",
        ]
    )
    (picture,) = jobs.path.glob("pictures/*.html")
    assert "shop" in picture.read_text("utf-8")


def test_the_command_and_the_test_of_its_own_fail_alike(jobs: pytest.Pytester) -> None:
    file = jobs.makepyfile(TEST_JOBS.format(mark="zk_explore"))
    result = run(jobs)
    (line,) = [line for line in result.outlines if line.startswith("E       Assert")]
    again = run(jobs, *commands(result)[0])
    again.assert_outcomes(failed=1)
    assert line in again.outlines
    again.stdout.fnmatch_lines(
        [
            "*- zk_replay -*",
            "Why: shop did not hear*",
            "- jobs.py:* in put: requests 2 and 4 of shop (create /jobs/job-)",
            "The judges find*",
        ]
    )
    text = result.stdout.str()
    program = text.partition("below this one:\n")[2].partition("\nzookeeper")[0]
    file.write_text(
        file.read_text("utf-8") + "\n\n" + "\n".join(each[4:] for each in program.splitlines()),
        "utf-8",
    )
    pasted = run(jobs, "-k", "again")
    pasted.assert_outcomes(failed=1, deselected=1)
    assert any(each.startswith("E       Assert") for each in pasted.outlines)


def test_a_debugger_starts_where_the_runs_part(
    jobs: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.makepyfile(TEST_JOBS.format(mark="zk_explore"))
    jobs.makepyfile(
        stops="""
        import sys

        def here():
            frame = sys._getframe(1)
            print("stands still after", len(frame.f_locals["sim"].history), "events")
        """
    )
    monkeypatch.setenv("PYTHONBREAKPOINT", "stops.here")
    result = run(jobs)
    stop = commands(result)[1]
    (number,) = re.findall(r"--zk-break=(\d+)", " ".join(stop))
    run(jobs, "-s", *stop).stdout.fnmatch_lines([f"*stands still after {number} events"])


def test_a_debugger_starts_at_a_point_of_a_sweep(
    jobs: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.makepyfile(TEST_JOBS.format(mark="zk_sweep"))
    jobs.makepyfile(
        stops="""
        import sys

        def here():
            print("stands still at", sys._getframe(1).f_locals["event"].name)
        """
    )
    monkeypatch.setenv("PYTHONBREAKPOINT", "stops.here")
    point = "replay(request=3, fault='drop_before_reply')"
    result = run(jobs, "-s", f"--zk-replay={point}", "--zk-break=Fault")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stands still at drop before reply"])
    assert result.stdout.str().count("stands still") == 1, "in the run with the fault alone"


def test_a_mended_program_passes(jobs: pytest.Pytester) -> None:
    jobs.makepyfile(
        jobs="""
        import time
        from kazoo.exceptions import ConnectionLoss, NodeExistsError

        def put(client, job):
            while True:
                try:
                    return client.create("/jobs/" + job.decode(), job)
                except ConnectionLoss:
                    time.sleep(1)
                except NodeExistsError:
                    return
        """
    )
    jobs.makepyfile(TEST_JOBS.format(mark="zk_explore"))
    run(jobs, "--zk-seeds=40").assert_outcomes(passed=1)


def test_a_sweep_has_a_line_for_each_failing_point(jobs: pytest.Pytester) -> None:
    jobs.makepyfile(TEST_JOBS.format(mark="zk_sweep"))
    result = run(jobs)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- zk_sweep -*",
            "The test fails in 2 of 21 runs*",
            "- drop_before_reply at request 2 of shop: create /jobs/job-: AssertionError*",
            "- drop_before_reply at request 3 of shop: create /jobs/job-: AssertionError*",
            "At the first of these points:",
            "Why: shop did not hear*",
        ]
    )
    for words in commands(result):
        run(jobs, *words).assert_outcomes(failed=1)


def test_a_point_of_a_sweep_has_the_seed_of_the_sweep(jobs: pytest.Pytester) -> None:
    jobs.makepyfile(TEST_JOBS.format(mark="zk_sweep"))
    result = run(jobs, "--zk-seed=7")
    assert commands(result)
    for words in commands(result):
        assert "--zk-seed=7" in words
        run(jobs, *words).assert_outcomes(failed=1)


def test_what_a_sweep_strikes_with_can_be_chosen(jobs: pytest.Pytester) -> None:
    jobs.makepyfile(
        TEST_JOBS.format(mark="zk_sweep").replace("(allow", '(faults=["expire"], allow')
    )
    run(jobs).assert_outcomes(passed=1)


def test_a_sweep_tries_other_orders(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_sweep(faults=[], deviations=1)
        def test_who_is_first(zk_simulation):
            done = []
            tasks = [zk_simulation.spawn(done.append, name) for name in ("ann", "bob")]
            for task in tasks:
                task.join()
            assert done == ["ann", "bob"]
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["The test fails in * or another order*", "- another order: at *"])
    for words in commands(result):
        run(pytester, *words).assert_outcomes(failed=1)


def test_fixtures_of_the_function_are_made_anew_in_each_world(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        made = []

        @pytest.fixture(scope="module")
        def of_module():
            made.append("module")
            yield
            made.append("end of module")

        @pytest.fixture(autouse=True)
        def around():
            made.append("begin")
            yield
            made.append("end")

        @pytest.fixture
        def client(zk_simulation, around):
            return zk_simulation.client("ann", start_timeout=3000.0)

        class TestIt:
            @pytest.mark.zk_explore(seeds=[3, 5])
            @pytest.mark.parametrize("value", [b"1", b"2"])
            @pytest.mark.zookeeper(profile="calm", load={"/a": b"0"})
            def test_it(self, of_module, client, zk_simulation, value):
                assert not hasattr(self, "seed"), "the instance of another world"
                self.seed = zk_simulation.seed
                made.append((self.seed, value))
                client.set("/a", value)

        def test_after(zk_simulation):
            assert made[1:7] == ["begin", "end", "begin", (3, b"1"), "end", "begin"]
            assert made.count("module") == 1
            assert [each for each in made if isinstance(each, tuple)] == [
                (3, b"1"), (5, b"1"), (3, b"2"), (5, b"2")
            ]
            assert made.count("begin") == made.count("end") + 1
            assert zk_simulation.seed == 0
        """
    )
    run(pytester).assert_outcomes(passed=3)


def test_a_test_with_clients_of_the_fixtures_is_explored(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_explore(seeds=3)
        @pytest.mark.zookeeper(profile="calm")
        def test_it(zk_client_factory, zk_backend):
            assert zk_backend == "simulation"
            ann, bob = zk_client_factory(), zk_client_factory()
            ann.create("/visits", b"0")
            count = int(ann.get("/visits")[0])
            bob.set("/visits", b"1")
            ann.set("/visits", b"%d" % (count + 1))
            assert ann.get("/visits")[0] == b"2"
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Why: client-1 read */visits as of *", "To run it again:"])
    run(pytester, *commands(result)[0]).assert_outcomes(failed=1)


def test_the_judges_look_at_every_world(pytester: pytest.Pytester) -> None:
    """A test without an assertion: what it claims is judged."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_explore(seeds=3)
        @pytest.mark.zookeeper(profile="calm")
        def test_it(zk_simulation):
            with zk_simulation.history.claim("leader"), zk_simulation.history.claim("leader"):
                pass
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *PromiseBroken: broken: at most 1 leader*", "*- zk_explore -*", "Broken: at most 1*"]
    )
    assert result.stdout.str().count("Why") == 1, "the story says it"


def test_each_way_of_failing_is_told_of(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_explore(seeds=10)
        @pytest.mark.zookeeper(profile="calm")
        def test_it(zk_simulation):
            if zk_simulation.seed % 2:
                raise ValueError("odd")
            raise LookupError("even")
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E       LookupError: even",
            "The test fails in 5 of 10 worlds *",
            "*- zk_explore: the test fails in another way, 2 of 2 -*",
            "ValueError at *",
        ]
    )


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [("pytest.skip('no')", "skipped"), ("pytest.xfail('no')", "xfailed")],
)
def test_a_test_that_is_not_to_run_is_asked_once(
    pytester: pytest.Pytester, ends: str, outcome: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.zk_explore
        def test_it(zk_simulation):
            print("it runs")
            {ends}
        """
    )
    result = run(pytester, "-s")
    result.assert_outcomes(**{outcome: 1})
    assert result.stdout.str().count("it runs") == 1


def test_what_other_worlds_print_and_log_is_not_in_the_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import logging
        import pytest

        @pytest.mark.zk_explore(seeds=20)
        def test_it(zk_simulation):
            print("printed in", zk_simulation.seed)
            logging.warning("logged")
            assert zk_simulation.seed < 7
        """
    )
    result = run(pytester)
    assert result.stdout.str().count("printed in") == 2  # the line, and what it has printed
    assert result.stdout.str().count("root:test_what") == 1


# -- seeds, budgets, probes


def test_a_mark_beats_the_option(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        worlds = []

        @pytest.mark.zk_explore
        @pytest.mark.zookeeper(profile="calm")
        def test_one(zk_simulation):
            worlds.append("one")

        @pytest.mark.zk_explore(seeds=4)
        @pytest.mark.zookeeper(profile="calm")
        def test_two(zk_simulation):
            worlds.append("two")

        def test_after():
            assert (worlds.count("one"), worlds.count("two")) == (2, 4)
        """
    )
    run(pytester, "--zk-seeds=2").assert_outcomes(passed=3)


def test_a_budget_ends_a_search_without_seeds(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_explore(demand=["again"])
        @pytest.mark.zookeeper(profile="calm")
        def test_it(zk_simulation):
            zk_simulation.sometimes(zk_simulation.seed > 0, "again")
        """
    )
    run(pytester, "--zk-budget=0.5").assert_outcomes(passed=1)


def test_a_probe_that_never_fires_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        DEMAND = ["never", "re-election", "stail read", "here"]

        @pytest.mark.zk_explore(seeds=3, demand=DEMAND, allow=KeyError)
        @pytest.mark.zookeeper(profile="calm")
        def test_it(zk_simulation):
            zk_simulation.sometimes(False, "never")
            zk_simulation.reachable("here")
            if zk_simulation.seed == 2:
                raise KeyError
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "demanded, and never seen in 3 worlds (1 ended early, with an error that the mark *):",
            "- 'never' (it was looked at, and never true)",
            "- 're-election' (a leader after the first one is established; it takes 3 servers)",
            "- 'stail read' (no run had a probe of this name; did you mean 'stale read'?)",
        ]
    )
    result.stdout.no_fnmatch_line("*traceback entries are hidden*")


def test_runs_that_all_end_early_have_shown_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_explore(seeds=3, allow=(LookupError, OSError))
        def test_it(zk_simulation):
            raise KeyError("always")
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["no run of 3 has reached the end of the test*"])


def test_a_program_that_never_gets_there_is_stopped(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zk_explore(seeds=1)
        @pytest.mark.zookeeper(profile="calm")
        def test_it(zk_simulation):
            while True:
                zk_simulation.sleep(60)
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *SimulationLimit*", "*Simulation(max_time=3600.0)*"])


# -- what cannot be

NEEDS = "the mark zk_explore has no effect: it needs the fixture zk_simulation, *"


@pytest.mark.parametrize(
    ("mark", "takes", "said"),
    [
        ("zk_explore", "", f"*test_it: {NEEDS}"),
        ("zk_explore(5)", "zk_simulation", "*zk_explore takes arguments by name only*"),
        ("zk_explore(seeds=0)", "zk_simulation", "*takes as seeds how many, at least 1,*not 0"),
        ("zk_explore(seeds='a')", "zk_simulation", "*takes as seeds how many,*not 'a'"),
        ("zk_explore(budget=-1)", "zk_simulation", "*takes a number of seconds,*not -1"),
        ("zk_explore(demand='a')", "zk_simulation", "*takes a list of the names of probes*'a'"),
        ("zk_explore(allow='a')", "zk_simulation", "*takes a class of exceptions*'a'"),
        ("zk_explore(wrong=1)", "zk_simulation", "*has no argument 'wrong'; there are seeds, *"),
        ("zk_sweep(faults=['a'])", "zk_simulation", "*zk_sweep: 'a' is not a fault; expected *"),
        (
            "zk_sweep(faults=[[]])",
            "zk_simulation",
            "*takes 'all' or a list of the names of faults*",
        ),
        ("zk_sweep(pairs='no')", "zk_simulation", "*zk_sweep takes a bool as pairs, not 'no'"),
        ("zk_sweep(deviations=3)", "zk_simulation", "*takes 0, 1 or 2 as deviations, not 3"),
        ("zk_sweep(faults='a')", "zk_simulation", "*takes 'all' or a list of the names of faults*"),
        (
            "zk_sweep\n@pytest.mark.zk_explore",
            "zk_simulation",
            "*has the marks zk_explore and zk_sweep*",
        ),
        (
            "zk_explore\n@pytest.mark.zookeeper(seed=7)",
            "zk_simulation",
            "*its mark says seed=7, and zk_explore runs it with many seeds*",
        ),
        (
            "zk_explore\n@pytest.mark.zookeeper(servers=0)",
            "zk_simulation",
            "*takes 1 to 254 servers*",
        ),
    ],
)
def test_a_mark_that_cannot_be_ends_the_run(
    pytester: pytest.Pytester, mark: str, takes: str, said: str
) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.{mark}\ndef test_it({takes}): pass")
    result = run(pytester)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


@pytest.mark.parametrize("mark", ["zk_explore(seeds=3)", "zk_sweep"])
def test_a_mark_of_a_module_is_not_for_tests_without_a_simulation(
    pytester: pytest.Pytester, mark: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        pytestmark = pytest.mark.{mark}
        runs = []

        def test_plain():
            runs.append("plain")

        def test_once():
            assert runs == ["plain"]
        """
    )
    result = run(pytester)
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("zookeeper: * tests *")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--zk-seeds=many"], "*--zk-seeds is 'many'; expected how many seeds*"),
        (["--zk-seeds=0"], "*--zk-seeds is '0'; expected how many seeds*"),
        (["--zk-budget=soon"], "*--zk-budget is 'soon'; expected a number of seconds*"),
        (["--zk-budget=nan"], "*--zk-budget is 'nan'; expected a number of seconds*"),
        (["--zk-replay=14a"], "*--zk-replay is '14a'; expected a seed*"),
        (["--zk-replay=--14"], "*--zk-replay is '--14'; expected a seed*"),
        (["--zk-replay=Simulation(a={[]: 1})"], "*expected a seed*"),
        (["--zk-replay=import os"], "*--zk-replay is 'import os'; expected a seed*"),
        (["--zk-replay=Simulation(); print(1)"], "*expected a seed*"),
        (["--zk-break=Nothing"], "*--zk-break is 'Nothing'; * does not name an event*"),
        (["--zk-profile=wild"], "*--zk-profile is 'wild'; *"),
    ],
)
def test_an_option_that_cannot_be_ends_the_run(
    pytester: pytest.Pytester, options: Sequence[str], said: str
) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.zk_explore(seeds=1)\ndef test_it(zk_simulation): pass"
    )
    result = run(pytester, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


def test_a_world_that_names_what_is_not_there_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.zk_explore(seeds=1)\ndef test_it(zk_simulation): pass"
    )
    for world, said in (
        ("Simulation(); sim.faults.dropp('ann')", "*--zk-replay: * no attribute 'dropp'*"),
        ("Simulation(server=3)", "*--zk-replay: *server*"),
        ("replay(request=70, fault='drop_before_reply')", "*--zk-replay: *no request 70*"),
        ("replay(request=1, fault='dropp')", "*--zk-replay: 'dropp' is not a fault*"),
    ):
        result = run(pytester, f"--zk-replay={world}")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([said])


# -- pytest-xdist, and what the terminal says


def test_worlds_are_shared_out_and_probes_are_added_up(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = [pytest.mark.zookeeper(profile="calm")]

        @pytest.mark.zk_explore(seeds=7, demand=["odd", "even"])
        @pytest.mark.parametrize("value", ["x"])
        def test_seen(zk_simulation, value):
            zk_simulation.reachable("odd" if zk_simulation.seed % 2 else "even")

        @pytest.mark.zk_explore(seeds=4, demand=["odd", "never"])
        def test_not_seen(zk_simulation):
            zk_simulation.sometimes(zk_simulation.seed % 2, "odd")

        @pytest.mark.zk_explore(seeds=1, demand=["here"])
        def test_in_one_world(zk_simulation):
            zk_simulation.reachable("here")

        @pytest.mark.zk_explore(seeds=4, allow=KeyError)
        def test_ends_early(zk_simulation):
            raise KeyError

        @pytest.mark.zk_explore(seeds=4)
        def test_fails(zk_simulation):
            assert zk_simulation.seed < 0

        @pytest.mark.zk_sweep(faults=["pause"])
        def test_swept(zk_simulation):
            zk_simulation.client().exists("/")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-n2", "-v")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines_random(
        [
            "*PASSED*::test_seen[[]*part1of2*",
            "*PASSED*::test_seen[[]*part2of2*",
            "demanded, and never seen in 4 worlds:",
            "- 'never' (no run had a probe of this name)",
            "no run of 4 has reached the end of the test*",
            "AssertionError at *: as in *::test_fails[[]part?of2], which tells of it",
            "*pytest --zk-replay=*::test_fails",
            "*= zookeeper: 5 tests explored in 20 worlds =*",
            "*::test_in_one_world: 1 world, 0 failed, *; seen: here 1",
            "*::test_seen[[]x]: 7 worlds, 0 failed, *; seen: even 4, odd 3",
            "*::test_ends_early: 4 worlds, 0 failed, 4 ended early, *",
            "*= zookeeper: 1 test swept in 2 runs =*",
            "*::test_swept: 2 runs, 0 failed",
        ]
    )
    # Each belongs to no part. Pytest adds the reason where it cuts no line, as under CI.
    result.stdout.re_match_lines_random(
        [rf"FAILED \S+::{name}( - .+)?$" for name in ("test_not_seen", "test_ends_early")]
    )
    assert result.stdout.str().count("To run it again:") == 1


def test_the_terminal_says_in_how_many_worlds_tests_have_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.zk_explore(seeds=2)\ndef test_it(zk_simulation): pass"
    )
    run(pytester).stdout.fnmatch_lines(["zookeeper: 1 test explored in 2 worlds"])
    said = run(pytester, "-p", "no:terminal")
    assert said.ret == pytest.ExitCode.OK


def test_the_terminal_says_which_sweeps_are_not_complete(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.zk_sweep(faults=["pause"])
        def test_swept(zk_simulation):
            zk_simulation.client().exists("/")
        """
    )
    whole = run(pytester).outlines
    assert "zookeeper: 1 test swept in 2 runs" in whole
    assert not any("not complete" in line for line in whole)
    stopped = "test_it.py::test_swept: 0 runs, 0 failed; not complete: its budget of * s was spent"
    result = run(pytester, "--zk-budget=0.000001")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["zookeeper: 1 test swept in 0 runs", f"zookeeper: {stopped}"])
    verbose = run(pytester, "--zk-budget=0.000001", "-v")
    verbose.stdout.fnmatch_lines(["*= zookeeper: 1 test swept in 0 runs =*", stopped])
    assert verbose.stdout.str().count("not complete") == 1
