"""The exception for a write without an answer, and how it is resolved.

The rules that live here:

- The request's own answer decides, where it comes after all. Else what the server has is judged by
  `proof`: a proof, or nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from zkdict._copy.waiting import deadline_after
from zkdict._writes.fresh import sight
from zkdict.errors import WriteUncertain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkdict._writes.proof import WriteJudge
    from zkdict._writes.sender import Sender, UnansweredError

__all__ = ["write_uncertain"]


def write_uncertain(
    sender: Sender[Any],
    operation: str,
    key: str | None,
    judges: Mapping[str, WriteJudge],
    unanswered: UnansweredError | None = None,
    *,
    wants: Literal["proof", "stored", "gone"] = "proof",
    decided: Callable[[], None] = lambda: None,
) -> WriteUncertain:
    """The exception for a write without an answer, of this key or (None) of several.

    Args:
        operation: what was attempted.
        key: the key, or None.
        judges: by the znodes' names. Any that says no speaks for all: a write is atomic.
        unanswered: what was raised for the request, unless it was sent several times.
        wants: what else than the request's own answer makes it applied: a "proof", which one
            znode gives for all; that all values are "stored"; or that all keys are "gone".
        decided: called when the answer was found.
    """
    late = (lambda: None) if unanswered is None else unanswered.late

    def look(timeout: float | None, unique: bool) -> bool | None:
        answer = late()
        if answer is not None:
            return answer
        seen = sight(sender, judges, deadline_after(timeout))
        # The answer itself, if it was on its way: it came before those.
        answer = late()
        if answer is not None:
            return answer
        verdicts = [judge(seen[name], unique=unique) for name, judge in judges.items()]
        if False in verdicts:
            return False
        if wants == "gone":
            applied = all(each.found is None for each in seen.values())
        else:
            applied = (all if wants == "stored" else any)(verdicts)
        return True if applied else None

    def resolve(timeout: float | None, unique: bool) -> bool:
        verdict = look(timeout, unique)
        if verdict is None:
            raise WriteUncertain(operation, key, resolve)
        decided()
        return verdict

    return WriteUncertain(operation, key, resolve)
