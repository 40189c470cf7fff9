"""The fixture `zk_simulation`: a test in virtual time, and what it tells when it fails."""

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
    result.stdout.fnmatch_lines(["*zk_simulation*", "*seed 41; to run it again: *"])
