"""The findings of a verdict, as the page shows them: with the places of the events that show them,
what led to them, and whom they are about.

Rules that live here:

- A verdict may be of an equal history, one that was saved and loaded: events that are not found as
  the same objects are looked for as equal ones.
- Causes are looked for as the story does, for the first findings only: each takes a reading of the
  history.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zkfake._history.causes import Circumstances
from zkfake._history.scope import Scope
from zkfake._history.timeline.texts import short

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zkfake._history.causes import Cause
    from zkfake._history.events import Event, Logged
    from zkfake._history.telling import Telling
    from zkfake._history.verdict import Finding, Verdict

__all__ = ["findings"]

_EXPLAINED = 5
"""Findings whose causes are looked for."""


def findings(
    entries: Sequence[Event | Logged], verdict: Verdict, telling: Telling
) -> list[dict[str, Any]]:
    """What is broken first, then the remarks. Cost: linear in the history for each finding."""
    all_findings = [*verdict.broken, *verdict.remarks]
    places = _Places(entries, all_findings)
    shown = []
    for number, finding in enumerate(all_findings):
        evidence = places.of(finding.evidence)
        own = replace(finding, evidence=tuple(entries[place] for place in evidence))
        scope = Scope(entries, own, telling)
        causes: list[Cause] = []
        if number < _EXPLAINED and evidence:
            last = len(entries) - 1 if finding.unfinished else evidence[-1]
            seen = Circumstances(entries[: last + 1], has_log=verdict.transactions is not None)
            causes = seen.causes(own, scope)
        shown.append(
            {
                "judge": finding.judge,
                "promise": finding.promise,
                "text": short(finding.text),
                "broken": number < len(verdict.broken),
                "evidence": evidence,
                "causes": [
                    {"text": short(cause.text), "events": places.of(cause.events)}
                    for cause in causes
                ],
                "who": sorted(scope.who | scope.tasks | {cause.client for cause in causes}),
                "paths": sorted(scope.paths.union(*(cause.paths for cause in causes))),
            }
        )
    return shown


class _Places:
    """Where events are in a history."""

    def __init__(self, entries: Sequence[Event | Logged], all_findings: list[Finding]) -> None:
        self._same: dict[int, int] = {id(entry): place for place, entry in enumerate(entries)}
        self._equal: dict[tuple[type, Any], int] = {}
        wanted = {
            (type(event), event)
            for finding in all_findings
            for event in finding.evidence
            if id(event) not in self._same
        }
        for place, entry in enumerate(entries if wanted else ()):
            key = type(entry), entry
            if key in wanted:
                self._equal.setdefault(key, place)

    def of(self, events: Iterable[Event | Logged]) -> list[int]:
        """The places of those that are there, in order, each once."""
        found = {
            self._same.get(id(event), self._equal.get((type(event), event), -1)) for event in events
        }
        return sorted(found - {-1})
