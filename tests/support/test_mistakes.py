"""What counts as a planted mistake that was found, and what does not."""

import logging
from typing import NoReturn

import pytest

from .mistakes import ROTTEN, RottenMistakeError, caught, logged_counts


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
