"""A history as a page that a browser shows: one HTML file that needs nothing else.

`lanes`, `messages`, `bands` and `findings` say what belongs together, `picture` puts it into the
form that the page reads, `embedding` makes the file. The folder `page` has the page's own source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.timeline.embedding import page
from zkfake._history.timeline.picture import picture

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkfake._history.events import Event, Logged
    from zkfake._history.verdict import Verdict

__all__ = ["timeline"]


def timeline(entries: Iterable[Event | Logged], verdict: Verdict, title: str) -> str:
    """The HTML text, in ASCII. Cost: linear in the history."""
    return page(picture(list(entries), verdict), title)
