"""The recorder: an append-only list of events, in the order in which they happened, and beside it
the log of what was committed and what servers do among themselves, where the ensemble is one of
ours. A digest covers the events whole.

Rules that live here:

- The events are what clients and servers can know of. What the ensemble commits stands beside them,
  and so does what servers do among themselves: a program that does the same has the same events,
  whatever else is recorded.
- Of each entry beside the events it is known how many events came before it, so all can be read in
  one order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from itertools import count
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar, overload

from zkfake._history.checking import check
from zkfake._history.diagnosing import diagnose
from zkfake._history.dicts import DictEvents
from zkfake._history.ensembles import EnsembleEvents
from zkfake._history.events import (
    Claimed,
    Committed,
    DictOpened,
    Event,
    Kept,
    Logged,
    LogLine,
    Note,
    Recorded,
    Released,
    Restored,
    Scalar,
)
from zkfake._history.inside import INSIDE, Inside
from zkfake._history.storage import HistoryFileError, Lines
from zkfake._history.story import story
from zkfake._history.timeline import timeline
from zkfake._history.writing import HistoryWriter, save

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Self

    from zkfake._database.log import Transaction
    from zkfake._database.tree import Tree
    from zkfake._ensemble.ensemble import Ensemble
    from zkfake._history.diagnosis import Diagnosis
    from zkfake._history.promises import Promise
    from zkfake._history.verdict import Verdict

__all__ = ["EnsembleHistory", "History", "IncompleteHistoryError", "PassingHistory"]

E = TypeVar("E")

# What its constructor ends with: every write makes one.
_committed = partial(tuple.__new__, Committed)

_SCALARS = (str, bytes, int, float, bool, type(None))


def _check_str(argument: str, value: object) -> None:
    # A history with anything else could be saved, but not loaded.
    if not isinstance(value, str):
        raise TypeError(f"{argument}={value!r}: expected a str")


def _no_time() -> float:
    return 0.0


def _nowhere(_zxid: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (), ()


def _nobody() -> str:
    return ""


class IncompleteHistoryError(HistoryFileError):
    """A file was cut, or is damaged from some line on. ``history`` has everything before that."""

    def __init__(self, text: str, history: History) -> None:
        super().__init__(text)
        self.history = history


class History(Sequence[Any]):
    """The events of one run, a sequence. Reading costs as much as reading a list."""

    def __init__(
        self, clock: Callable[[], float] = _no_time, task: Callable[[], str] = _nobody
    ) -> None:
        """``clock``: returns the seconds since the start. ``task``: returns the running task's
        name.
        """
        self._events: list[Event] = []
        self._beside: list[tuple[int, Logged | Inside]] = []
        """What stands beside the events, each with the number of events before it."""
        self._claims = 0
        self._dicts = 0
        self._dict_calls = count(1)
        self._clock = clock
        self._task = task
        self.log: list[Logged] | None = None
        """The committed log, in order; ``None`` if it could not be recorded, as with a live
        server.
        """
        self.append = self._events.append
        """Add an event; for the simulation itself and for extensions of it."""

    # -- what a program adds

    def note(self, text: str) -> None:
        """Add a `Note` with ``text``, the time and the running task's name. Raises `TypeError` for
        a text that is not a string. Cost: O(1).
        """
        _check_str("text", text)
        self.append(Note(self._clock(), self._task(), text))

    @contextmanager
    def claim(
        self, name: str, *, znode: str | None = None, client: str | None = None
    ) -> Iterator[None]:
        """During the block the program believes that it holds ``name``.

        ``znode``: the path, without a chroot, of the znode that stands for it. ``client``: the name
        that the history has for the client whose session made it; needed where another client may
        make a znode of the same path. Enter the block after the recipe has granted it, and leave
        the block before you release it. `check` finds two claims of one name that hold at once; a
        promise `zkfake.history.at_most` allows more. Raises `TypeError` for arguments that are not
        strings.
        """
        _check_str("name", name)
        for argument, value in (("znode", znode), ("client", client)):
            if value is not None:
                _check_str(argument, value)
        self._claims = number = self._claims + 1
        self.append(Claimed(self._clock(), self._task(), number, name, znode, client))
        try:
            yield
        finally:
            self.append(Released(self._clock(), self._task(), number, name))

    def record(self, name: str, key: Scalar, value: Scalar = None) -> None:
        """The program did ``name`` to ``key``. Promises such as `exactly_once` are judged by that.

        Raises `TypeError` for a name that is not a string, and for a key or a value that is not a
        string, bytes, a finite number, a bool or ``None``. Cost: O(1).
        """
        _check_str("name", name)
        for scalar in (key, value):
            if not isinstance(scalar, _SCALARS) or (
                isinstance(scalar, float) and not isfinite(scalar)
            ):
                raise TypeError(
                    f"{scalar!r} cannot be recorded: expected str, bytes, int, a finite float, "
                    "bool or None"
                )
        self.append(Recorded(self._clock(), self._task(), name, key, value))

    def of_dict(self, path: str) -> DictEvents:
        """What a `zkdict.ZooKeeperDict` that is given the history tells it."""
        self._dicts = number = self._dicts + 1
        self.append(DictOpened(self._clock(), self._task(), number, path))
        return DictEvents(number, self._dict_calls, self.append, self._clock, self._task)

    # -- what it shows

    def check(
        self, *promises: Promise, complete: bool = False, timely: float | None = None
    ) -> Verdict:
        """Judge the history by the guarantees of ZooKeeper, by those of the dicts that it has heard
        of, and by ``promises`` of the program (`zkfake.history.at_most`, `exactly_once`, ...).
        Claims of one name must exclude each other, unless a promise `at_most` is about that name.

        ``complete``: whether every client that writes was recorded; then more can be decided where
        there is no committed log. ``timely``: seconds after which every view must have what was
        committed; without it timeliness is not checked. Raises nothing for a broken guarantee: see
        `Verdict.raise_if_broken`. Cost: linear in the history, about 10 us per event.
        """
        return check(
            self.in_order(),
            promises,
            has_log=self.log is not None,
            complete=complete,
            timely=timely,
        )

    def diagnose(self) -> Diagnosis:
        """Look for habits of the program that will hurt: a watch that is not set again, a retry of
        what may have been done, a herd, and others.

        Each has the events that show it, a sentence of advice, and a section of the documentation
        that says exactly what is matched. Raises nothing for what it finds. Cost: linear in the
        history.
        """
        return diagnose(self.in_order(), has_log=self.log is not None)

    def story(self, verdict: Verdict | None = None) -> str:
        """The events around the first finding of a verdict, in about thirty lines of text; the last
        events if nothing is broken. Without a verdict: that of `check`. Cost: as `check`.
        """
        return story(self.in_order(), self.check() if verdict is None else verdict)

    def timeline(self, verdict: Verdict | None = None, *, title: str = "Timeline") -> str:
        """The history as a page for a browser: the text of one HTML file that loads nothing.

        The evidence of each finding of ``verdict`` is marked. Without a verdict: that of `check`.
        ``title``: of the page. The text is ASCII. Cost: as `check`, and about 100 bytes an event.
        """
        found = self.check() if verdict is None else verdict
        return timeline(self.in_order(), found, title)

    # -- reading it

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, in order; also of what servers do among themselves. Cost: linear
        in the history.
        """
        if kind in INSIDE:
            return [event for _, event in self._beside if isinstance(event, kind)]
        return [event for event in self._events if isinstance(event, kind)]

    def in_order(self) -> Iterator[Event | Logged]:
        """The events, the entries of the log, and what servers did among themselves, as they
        happened, up to now. Cost: linear.
        """
        # Another thread may add to both meanwhile. The events are counted first: so whatever was
        # committed before one of them is in the log.
        events, start, end = self._events, 0, len(self._events)
        for place, entry in tuple(self._beside):
            yield from events[start:place]
            yield entry
            start = place
        yield from events[start:end]

    def digest(self) -> str:
        """The SHA-256 of every event with its frame, in hexadecimal: equal for equal runs. Cost:
        linear.
        """
        digest = sha256()
        for event in self._events:
            digest.update(f"{type(event).__name__}{tuple.__repr__(event)}\n".encode())
        return digest.hexdigest()

    def save(self, path: str | PathLike[str]) -> None:
        """Write the history to a file, which `load` reads; a file that is there is replaced. Raises
        `OSError`. Cost: linear.
        """
        save(path, self.in_order(), self.log is not None)

    def _writer(self, path: str | PathLike[str]) -> HistoryWriter:
        """Writes it to a file while it grows. What was written is not in it any more."""
        return HistoryWriter(path, self._left, self._take, has_log=self.log is not None)

    def _left(self) -> bool:
        return bool(self._events or self._beside)

    def _take(self) -> list[Event | Logged]:
        """What there is, in order, which is forgotten. Nobody may add to it meanwhile."""
        taken = list(self.in_order())
        self._events.clear()  # `append` is a method of it
        self._beside.clear()
        if self.log is not None:
            self.log.clear()
        return taken

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a history from a file.

        Raises `OSError`, `HistoryFileError` for a file that is not a history or one that only a
        newer version can read, and `IncompleteHistoryError` for one that is cut or damaged after
        its first line. Cost: linear.
        """
        history = cls()
        with Lines(path) as lines:
            if lines.has_log:
                history.log = []
            try:
                history._add_all(lines)  # its own class
            except HistoryFileError as error:
                raise IncompleteHistoryError(str(error), history) from None
        return history

    def _add_all(self, entries: Iterable[Event | Logged]) -> None:
        for entry in entries:
            if isinstance(entry, (Committed, Restored)):
                self._add_logged(entry)
            elif isinstance(entry, Inside):
                self._add_beside(entry)
            else:
                self.append(entry)

    def _add_logged(self, entry: Logged) -> None:
        """The next entry of the log, at this place of the history."""
        if self.log is None:
            self.log = []
        self.log.append(entry)
        self._add_beside(entry)

    def _add_beside(self, entry: Logged | Inside) -> None:
        self._beside.append((len(self._events), entry))

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        return self._events[index]

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __eq__(self, other: object) -> bool:
        """Whether events, log and their order are the same."""
        if not isinstance(other, History):
            return NotImplemented
        return (self._events, self.log, self._beside) == (other._events, other.log, other._beside)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __str__(self) -> str:
        return "\n".join(map(repr, self._events))

    def __repr__(self) -> str:
        return f"<History of {len(self)} events>"


class EnsembleHistory(History):
    """The history of an ensemble of ours, with what it commits."""

    def __init__(
        self,
        clock: Callable[[], float] = _no_time,
        task: Callable[[], str] = _nobody,
        *,
        virtual: bool = True,
    ) -> None:
        """``virtual``: the clock does not go on while the ensemble is at work."""
        super().__init__(clock, task)
        self.log = []
        self._virtual = virtual
        self._on_disk: Callable[[int], tuple[tuple[int, ...], tuple[int, ...]]] = _nowhere
        self.hearers: tuple[Callable[[Event | Logged], object], ...] = ()
        """Called with each event and each entry of the log, when it happens."""

    def tell(self, *hearers: Callable[[Event | Logged], object]) -> None:
        """These are the hearers from now on."""
        self.hearers = hearers
        self.append = self._append_and_tell if hearers else self._events.append

    def _append_and_tell(self, event: Event) -> None:
        self._events.append(event)
        for hearer in self.hearers:
            hearer(event)

    def hear(self, ensemble: Ensemble) -> None:
        """Record what it commits, and what its servers do among themselves, from now on."""
        ensemble.listener = EnsembleEvents(
            ensemble, self._add_beside, self._clock, virtual=self._virtual
        )
        self._on_disk = ensemble.on_disk
        ensemble.log.on_append = self.committed
        ensemble.log.on_mark = self.restored

    def take_state(self, ensemble: Ensemble) -> None:
        """The log begins with the state that the ensemble has. Cost: linear in it."""
        tree, between = ensemble.committed()
        self.restored(tree)
        for transaction in between:
            self.committed(transaction)

    def logged(self, logger: str, level: str, text: str) -> None:
        """The program has logged something."""
        self.append(LogLine(self._clock(), self._task(), logger, level, text))

    def committed(self, transaction: Transaction) -> None:
        """The ensemble has committed its next transaction."""
        log = self.log
        if log is not None:  # as `_add_logged`, which costs a call at every write
            on_disk, voters = self._on_disk(transaction.zxid)
            entry = _committed((self._clock(), transaction, on_disk, voters))
            self._beside.append((len(self._events), entry))
            log.append(entry)
            for hearer in self.hearers:
                hearer(entry)

    def restored(self, tree: Tree) -> None:
        """The ensemble goes on from ``tree``."""
        if self.log is not None and tree.zxid:
            znodes = tuple(
                Kept(path, each.data, each.acl, each.czxid, each.mzxid, each.version, each.owner)
                for path, each in tree.nodes.items()
            )
            self._add_logged(Restored(self._clock(), tree.zxid, znodes))
            for hearer in self.hearers:
                hearer(Restored(self._clock(), tree.zxid, ()))


class PassingHistory(EnsembleHistory):
    """A history that keeps nothing: it is there for its hearers."""

    def _append_and_tell(self, event: Event | Logged) -> None:
        for hearer in self.hearers:
            hearer(event)

    def committed(self, transaction: Transaction) -> None:
        """The ensemble has committed its next transaction."""
        self._append_and_tell(_committed((self._clock(), transaction, (), ())))

    def restored(self, tree: Tree) -> None:
        """The ensemble goes on from ``tree``."""
        self._append_and_tell(Restored(self._clock(), tree.zxid, ()))

    def _add_beside(self, entry: Logged | Inside) -> None:
        pass
