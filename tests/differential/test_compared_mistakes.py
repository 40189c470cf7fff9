"""`zkfake compare` finds planted mistakes, in as many programs as it runs where it is not told.

As in `test_mistakes`: the fake with a mistake beside the fake as it is, without sockets.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from zkfake._cli.compare import PROGRAMS, STEPS
from zkfake._compare.core import CoreServer
from zkfake._compare.differences import differences
from zkfake._compare.drawing import CREDENTIAL, program
from zkfake._compare.driver import alone
from zkfake._compare.numbered import NumberedMapping
from zkfake._compare.side import Side
from zkfake._compare.steward import Steward

from .mistakes import MISTAKES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkfake._compare.side import Seen

    from ..support.mistakes import Mistake


def answers(seed: int) -> Iterator[list[Seen]]:
    server = CoreServer("3.9", {})
    with Steward(server.channel()) as steward:
        steward.make("/room")
    side = Side(server, "/room/t", CREDENTIAL, mapping=NumberedMapping())
    return alone(side, program(seed, STEPS, "/room/t"))


@cache
def right(seed: int) -> tuple[list[Seen], ...]:
    return tuple(answers(seed))


def lines(mistake: Mistake, programs: int = PROGRAMS) -> list[str]:
    """What is told of the first difference."""
    for seed in range(programs):
        expected = right(seed)  # before the mistake is planted
        with mistake.planted():
            pairs = zip(answers(seed), expected, strict=True)
            found = next((pair for pair in pairs if pair[0] != pair[1]), None)
        if found is not None:
            return [difference.line for difference in differences(*found)]
    return []


TOLD = {
    "delete_finds_children_before_a_wrong_version": "delete: NotEmpty | BadVersion",
    "equal_data_leaves_the_version": "setData: stat.version",
    "children_are_listed_by_name": "getChildren: the order of names",
    "one_shot_watches_stay": "watches: event CHILDREN_CHANGED | no event",
    "any_password_renews_a_session": "connect: let in | refused",
    "a_delete_takes_back_a_sequence_number": "getData: stat.cversion",
}
"""What is told of some of them."""


UNSEEN = {"a_failed_write_uses_no_zxid"}
"""What others do to a server moves its zxids, too."""


def test_there_are_those_that_are_named() -> None:
    assert {*TOLD, *UNSEEN} <= set(MISTAKES)


@MISTAKES.each
def test_a_planted_mistake_is_found(mistake: Mistake) -> None:
    if mistake.name in UNSEEN:
        assert not lines(mistake, 10)
        return
    found = lines(mistake)
    assert found, f"{PROGRAMS} programs did not find it"
    assert TOLD.get(mistake.name, found[0]) in found


def test_the_fake_as_it_is_answers_as_it_did() -> None:
    assert all(list(answers(seed)) == list(right(seed)) for seed in range(10))
    assert not list(chain.from_iterable(differences(each, each) for each in right(0)))
