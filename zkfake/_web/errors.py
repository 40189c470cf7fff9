"""What the endpoint refuses, and the calls of the fake that refuse.

Rules that live here: 422 is what the OpenAPI document does not allow. What it allows and cannot be
done, or not at present, is 409; what is not there is 404.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Refused", "refusing"]


class Refused(Exception):  # noqa: N818  # it is an answer, not a failure
    """A request that gets a status from 400 on, and a sentence that says why."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence if sentence.endswith(".") else sentence + "."


@contextmanager
def refusing() -> Iterator[None]:
    """A block that calls a public method of the fake with what a client has sent: what that raises
    says what cannot be done, or not at present.
    """
    try:
        yield
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise Refused(409, str(error)) from None
