"""An ensemble with a data directory, from a start to a stop."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from zkfake._data_dir.database import KeptState
from zkfake._data_dir.directory import SYNCS, DataDirectory
from zkfake._data_dir.journal import Journal
from zkfake._database.tree import Tree
from zkfake._ensemble.committed import KeeperError

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from zkfake._ensemble.ensemble import Ensemble

__all__ = ["Keeping"]


class Keeping:
    """What keeps the state of one ensemble in one directory."""

    def __init__(self, ensemble: Ensemble, path: str | PathLike[str], sync: str) -> None:
        """Raises `ValueError` for a ``sync`` that there is not."""
        if sync not in SYNCS:
            raise ValueError(f"sync = {sync!r}: expected one of {', '.join(SYNCS)}")
        self._ensemble = ensemble
        self.directory = DataDirectory(path)
        self._sync = sync
        self._journal: Journal | None = None

    def begin(self) -> Callable[[], None]:
        """Goes on from the state in the directory: what writes to it whatever is committed. No
        server may run. Raises `ValueError` and `OSError`.
        """
        ensemble = self._ensemble
        directory = self.directory.__enter__()
        try:
            state = directory.open(self._sync)
            journal = Journal(directory, ensemble, state or KeptState(Tree(), {}, 0))
        except BaseException:
            directory.__exit__()
            raise
        ensemble.log.keeper = self._journal = journal
        if state is not None and state.zxid:
            ensemble.recover(state.tree, state.sessions, state.zxid)
        return journal.flush

    def end(self) -> None:
        """Writes what is left. What cannot be written was never acknowledged."""
        journal, self._journal = self._journal, None
        if journal is not None:
            self._ensemble.log.keeper = None
            with suppress(KeeperError):
                journal.flush()
            self.directory.__exit__()
