"""When a planted mistake counts as found, for every list of them.

The rules that live here:

- A mistake is found when a check of the project's refuses what it leads to, or when the code itself
  stumbles over it.
- A TypeError, AttributeError or NameError (or an import, or syntax, that fails) says that the
  mistake no longer fits the code it is planted in. That is not found: it has to be mended.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROTTEN = (TypeError, AttributeError, NameError, ImportError, SyntaxError)


class RottenMistakeError(Exception):
    """A planted mistake does not fit the code any more: mend it."""


def caught(check: Callable[[], object]) -> bool:
    """Whether `check` fails, with a mistake that is planted at present.

    Raises:
        RottenMistakeError: it fails because the mistake does not fit the code.
    """
    try:
        check()
    except Exception as error:
        for each in _with_causes(error):
            if isinstance(each, ROTTEN):
                raise RottenMistakeError(f"{type(each).__name__}: {each}") from error
        return True
    return False


@contextlib.contextmanager
def logged_counts() -> Iterator[None]:
    """A mistake in a callback is not found either where it does not fit: kazoo only logs that.

    Raises (at the end of the block):
        RottenMistakeError
    """
    handler = _Listening(logging.ERROR)
    root, disabled = logging.getLogger(), logging.root.manager.disable
    root.addHandler(handler)
    logging.disable(logging.NOTSET)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.removeHandler(handler)
    if handler.heard is not None:
        raise RottenMistakeError(f"a callback raised {handler.heard!r}") from handler.heard


class _Listening(logging.Handler):
    heard: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if any(isinstance(each, ROTTEN) for each in _with_causes(error)):
            self.heard = error


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        for each in getattr(error, "exceptions", ()):  # of a group
            yield from _with_causes(each)
        error = error.__cause__
