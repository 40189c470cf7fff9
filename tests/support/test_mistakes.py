"""How planted mistakes are kept, what counts as one that was found, and what does not."""

import logging
import sys
from typing import NoReturn

import pytest

from .mistakes import ROTTEN, Mistakes, Patch, RottenMistakeError, caught, logged_counts, wrap


def raising(error: BaseException) -> NoReturn:
    raise error


def test_what_fails_is_caught() -> None:
    assert caught(lambda: raising(AssertionError()))
    assert caught(lambda: raising(KeyError("what the code itself stumbles over")))
    assert not caught(lambda: None)


@pytest.mark.parametrize("kind", [*ROTTEN, UnboundLocalError, ModuleNotFoundError])
def test_what_does_not_fit_the_code_is_not(kind: type[Exception]) -> None:
    with pytest.raises(RottenMistakeError, match=kind.__name__):
        caught(lambda: raising(kind("it does not fit")))
    error = ValueError()
    error.__cause__ = kind("it does not fit")
    with pytest.raises(RottenMistakeError, match=kind.__name__):
        caught(lambda: raising(error))


def test_causes_may_go_in_a_circle() -> None:
    one, two = ValueError(), KeyError()
    one.__cause__, two.__cause__ = two, one

    def check() -> None:
        raise one

    assert caught(check)


def test_what_a_callback_raised_was_logged() -> None:
    def log(error: Exception) -> None:
        try:
            raise error
        except Exception:
            logging.getLogger("kazoo").exception("in a callback")

    with logged_counts():
        log(ValueError())
    with pytest.raises(RottenMistakeError, match="TypeError"), logged_counts():
        log(TypeError("it does not fit"))


class Code:
    """What mistakes are planted in here."""

    def double(self, number: int) -> int:
        return 2 * number

    def triple(self, number: int) -> int:
        return 3 * number

    TABLE = {"double": double}  # noqa: RUF012


def check() -> None:
    assert Code().double(2) == 4
    assert Code.TABLE["double"](Code(), 2) == 4


def test_a_mistake_is_there_until_it_is_found() -> None:
    mistakes = Mistakes()

    @mistakes
    def adds_one(patch: Patch) -> None:
        wrap(patch, Code, "double", lambda original, *given: original(*given) + 1)

    @mistakes.found_by("here", "there")
    def does_not_matter(patch: Patch) -> None:
        patch.setattr(Code, "triple", lambda self, number: number)

    @mistakes
    def does_not_fit(patch: Patch) -> None:
        patch.setattr(Code, "double", lambda self: 4)

    here = sys.modules[__name__]

    @mistakes.instead_of(here, "Code")
    class Halved(Code):
        def double(self, number: int) -> int:
            return number

    assert list(mistakes) == [
        "adds_one",
        *("does_not_matter (here)", "does_not_matter (there)"),
        *("does_not_fit", "Halved"),
    ]
    assert mistakes["does_not_matter (there)"].found_by == "there"
    assert mistakes["adds_one"].is_found([lambda: None, check])
    assert not mistakes["does_not_matter (here)"].is_found([check, check])
    assert mistakes["Halved"].is_found([check])
    with pytest.raises(RottenMistakeError):
        mistakes["does_not_fit"].is_found([check])
    with mistakes["adds_one"].planted():
        assert Code.TABLE["double"](Code(), 2) == 5
    check()


def test_no_two_mistakes_of_a_list_have_one_name() -> None:
    mistakes = Mistakes()

    @mistakes
    def twice(patch: Patch) -> None: ...

    with pytest.raises(AssertionError, match="'twice'"):
        mistakes(twice)
