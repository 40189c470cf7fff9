"""The tests of the client and of the dict run in the simulation, too, but for a few."""

from tests.structure.third_column import ROOT, columns, table, written


def test_what_is_left_out_is_little_and_stands_in_contributing_with_its_reason() -> None:
    assert written((ROOT / "CONTRIBUTING.md").read_text("utf-8")) == table()
    tests = columns().tests
    # Each test is on the fake or in the simulation; what is on one only is left out of the other.
    assert tests["simulation"] >= 0.85 * tests["fake"]
