"""Tests of `unittest.TestCase` run on the backends that functions would run on."""

import pytest

TEST_CASE = """
import unittest
import pytest

class Base(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def give(self, zk_client, zk_backend):
        self.client, self.backend = zk_client, zk_backend

    def test_it(self):
        self.client.create("/a")
        self.assertEqual(self.client.get_children("/"), ["a"])
        print("ran on", self.backend)

@pytest.mark.zk_backend("live")
class TestLive(Base):
    pass

class TestOther(unittest.TestCase):
    def test_it(self):
        pass
"""


def names(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    result = pytester.runpytest_inprocess("--collect-only", "-q", *arguments)
    return [line.partition("::")[2] for line in result.outlines if "::" in line]


def test_they_are_collected_once_for_each_backend(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST_CASE)
    assert set(names(pytester, "--zk-backend=both")) == {
        "Base::test_it[fake]",
        "Base::test_it[live]",
        "TestLive::test_it",
        "TestOther::test_it",
    }
    assert set(names(pytester)) == {"Base::test_it", "TestLive::test_it", "TestOther::test_it"}


@pytest.mark.zk_backend("live")
def test_they_run_on_each_backend_that_their_marks_let_them(
    pytester: pytest.Pytester, on_this: str
) -> None:
    pytester.makepyfile(TEST_CASE)
    result = pytester.runpytest_inprocess("--zk-backend=both", on_this, "-s")
    result.assert_outcomes(passed=4)
    ran = [line.rpartition("ran on ")[2][:4] for line in result.outlines if "ran on" in line]
    assert sorted(ran) == ["fake", "live", "live"]


def test_a_method_with_a_fixture_as_argument_is_told_how_to_take_it(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import unittest

        class TestIt(unittest.TestCase):
            def test_it(self, zk_client):
                pass

            def test_other(self, number):
                pass
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*- unittest -*", "*@pytest.fixture(autouse=True)"])
    assert result.stdout.str().count("- unittest -") == 1


def test_one_of_another_backend_is_skipped(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST_CASE)
    result = pytester.runpytest_inprocess("-rs")
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*needs --zk-backend live"])


def test_one_can_be_run_by_its_id(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile(TEST_CASE)
    result = pytester.runpytest_inprocess("--zk-backend=both", f"{path}::Base::test_it[fake]")
    result.assert_outcomes(passed=1)
