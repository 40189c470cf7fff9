"""What a program logs, for the history.

Rules that live here:

- A simulation may want the records of loggers from some level on. The longest of the names that it
  gives decides, as loggers themselves have it. kazoo's own records are wanted from ``WARNING`` on,
  unless it is named: what it does is in the history anyway.
- Such a record is made although its logger is not enabled for the level. Handlers are given what
  they are given without a simulation. So nothing is to be set back at the end, and the loggers of
  other threads are as they were.
- A logger that is disabled, filters and `logging.disable` have their say as ever.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zkfake._simulation.stand_ins.current import LOCAL

if TYPE_CHECKING:
    from zkfake._history.recorder import EnsembleHistory

__all__ = ["LogLines", "WantedLevels", "patches", "wanted_levels"]

WantedLevels = str | int | Mapping[str, str | int]
"""A level, by its name or number, or one for each name of a logger."""

_KAZOO = "kazoo"


def wanted_levels(given: WantedLevels | None) -> dict[str, int]:
    """The levels by the names of loggers, ``""`` for all. Raises `ValueError` for an unknown level
    and `TypeError` for what is none.
    """
    if given is None:
        return {}
    named = given if isinstance(given, Mapping) else {"": given}
    levels = {name: _number(level) for name, level in named.items()}
    if "" in levels:
        levels.setdefault(_KAZOO, max(levels[""], logging.WARNING))
    return levels


def _number(level: object) -> int:
    if type(level) is int:
        return level
    if not isinstance(level, str):
        raise TypeError(f"logging={level!r}: expected a level, such as 'INFO'")
    number: object = logging.getLevelName(level)
    if isinstance(number, int):
        return number
    raise ValueError(f"logging={level!r} is not a level; expected one such as 'INFO'")


class LogLines:
    """Records what one simulation's program logs."""

    def __init__(self, levels: dict[str, int], history: EnsembleHistory) -> None:
        self._levels = sorted(levels.items(), key=lambda item: len(item[0]), reverse=True)
        self._found: dict[str, int] = {}
        self._history = history

    def wants(self, logger: str, level: int) -> bool:
        """Whether a record of that logger is to be in the history."""
        lowest = self._found.get(logger)
        if lowest is None:
            lowest = self._found[logger] = next(
                (
                    each
                    for name, each in self._levels
                    if not name or logger == name or logger.startswith(f"{name}.")
                ),
                logging.CRITICAL + 1,
            )
        return level >= lowest

    def record(self, record: logging.LogRecord) -> None:
        """Adds the line."""
        try:
            text = record.getMessage()
        except Exception:  # the handlers tell of it, as they do without a simulation
            text = str(record.msg)
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text += f" ({type(error).__name__}: {error})"
        self._history.logged(record.name, record.levelname, text)


_real_is_enabled_for = logging.Logger.isEnabledFor
_real_call_handlers = logging.Logger.callHandlers


def _lines() -> LogLines | None:
    simulation = LOCAL.simulation
    lines: LogLines | None = None if simulation is None else simulation.lines
    return lines


def _is_enabled_for(self: logging.Logger, level: int) -> bool:
    if _real_is_enabled_for(self, level):
        return True
    lines = _lines()
    if lines is None or self.disabled or self.manager.disable >= level:
        return False
    return lines.wants(self.name, level)


def _call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
    lines = _lines()
    if lines is not None and lines.wants(record.name, record.levelno):
        lines.record(record)
        if not _real_is_enabled_for(self, record.levelno):
            return
    _real_call_handlers(self, record)


def patches() -> tuple[tuple[Any, str, Any], ...]:
    """What is replaced where a simulation wants lines: in what, its name, and by what."""
    return (
        (logging.Logger, "isEnabledFor", _is_enabled_for),
        (logging.Logger, "callHandlers", _call_handlers),
    )
