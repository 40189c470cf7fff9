"""WatchManager: which watches a change triggers, and in which order.

A server has two tables. Data watches (getData, exists, also on a znode that is not there) are told
of created, deleted and changed; child watches (getChildren) of deleted and of changed children. A
watch belongs to a connection. It is one-shot, persistent (told again and again) or
persistent-recursive (of everything below as well, but never of changed children); on one path these
add up. One trigger tells a connection once, however many of its watches match.

A created znode triggers its data watches, then the parent's child watches. A deleted one: its data
watches, its child watches (but not for connections that were just told), the parent's child
watches. A changed one: its data watches.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

from zkfake._database.paths import ancestors
from zkfake._database.tree import Tree, TreeChange
from zkfake._protocol.records import Acls, Code, EventType, ZooKeeperError
from zkfake._versions import Version

STANDARD, PERSISTENT, RECURSIVE = 1, 2, 4
_ALL_MODES = STANDARD | PERSISTENT | RECURSIVE
_DATA_CHANGED, _CHILDREN_CHANGED = EventType.DATA_CHANGED, EventType.CHILDREN_CHANGED


class Watcher(Protocol):
    """A receiver of watch events: a connection."""

    @property
    def session_id(self) -> int: ...

    def notify(self, type_: EventType, path: str, zxid: int, acl: Acls | None) -> None:
        """Sends the event. ``acl``: of the znode, if READ is to be checked; ``None``: no check."""


_NOBODY: Mapping[Watcher, None] = MappingProxyType({})


class WatchTable:
    """One table: the watchers of each path, with their modes. Setting, removing and finding are
    O(1).
    """

    def __init__(self, version: Version) -> None:
        self._modes_add_up = version.watch_modes_add_up
        self._unwatched_is_remembered = version.unwatched_is_remembered
        self._paths: dict[str, dict[Watcher, int]] = {}
        self._watchers: dict[Watcher, dict[str, None]] = {}
        self._recursive = 0

    def add(self, path: str, watcher: Watcher, mode: int = STANDARD) -> None:
        at_path = self._paths.setdefault(path, {})
        old = at_path.get(watcher, 0)
        self._watchers.setdefault(watcher, {})[path] = None
        self._set_modes(at_path, watcher, old, old | mode if self._modes_add_up else mode)

    def modes(self, path: str, watcher: Watcher) -> int:
        """The modes in which ``watcher`` watches ``path``; 0 where it does not."""
        return self._paths.get(path, {}).get(watcher, 0)

    def is_watched(self, path: str) -> bool:
        """Whether anybody watches ``path``. Raises `ZooKeeperError` for a path without a slash, or,
        while there are recursive watches to look for, one that does not begin with one: the server
        trips over it on its way up.
        """
        found = path in self._paths
        if path and ("/" not in path or (self._recursive and not found and path[0] != "/")):
            raise ZooKeeperError(Code.MARSHALLING_ERROR)
        return bool(path) and found

    def remove(self, path: str, watcher: Watcher, modes: int) -> bool:
        """Whether any of ``modes`` was there to take away."""
        old = self.modes(path, watcher)
        if not old & modes:
            return False
        self._set_modes(self._paths[path], watcher, old, old & ~modes)
        if not old & ~modes:
            self._forget(path, watcher)
            if not self._watchers[watcher] and not self._unwatched_is_remembered:
                del self._watchers[watcher]
        return True

    def remove_watcher(self, watcher: Watcher) -> None:
        for path in self._watchers.pop(watcher, ()):
            at_path = self._paths[path]
            self._set_modes(at_path, watcher, at_path[watcher], 0)
            if not at_path:
                del self._paths[path]

    def trigger(self, type_: EventType, path: str) -> Mapping[Watcher, None]:
        """Who is to be told of ``type_`` at ``path``; their one-shot watches are used up."""
        at_path = self._paths.get(path)
        if at_path is None and not self._recursive:
            return _NOBODY
        found: dict[Watcher, None] = {}
        if at_path:
            for watcher, modes in list(at_path.items()):
                if modes & ~RECURSIVE or type_ is not EventType.CHILDREN_CHANGED:
                    found[watcher] = None
                if modes & STANDARD:
                    self._set_modes(at_path, watcher, modes, modes & ~STANDARD)
                    if modes == STANDARD:
                        self._forget(path, watcher)
        if self._recursive and type_ is not EventType.CHILDREN_CHANGED:
            for above in ancestors(path)[1:]:
                for watcher, modes in self._paths.get(above, {}).items():
                    if modes & RECURSIVE:
                        found[watcher] = None
        return found

    def _set_modes(
        self, at_path: dict[Watcher, int], watcher: Watcher, old: int, modes: int
    ) -> None:
        self._recursive += bool(modes & RECURSIVE) - bool(old & RECURSIVE)
        if modes:
            at_path[watcher] = modes
        else:
            at_path.pop(watcher, None)

    def _forget(self, path: str, watcher: Watcher) -> None:
        if not self._paths[path]:
            del self._paths[path]
        del self._watchers[watcher][path]

    def __len__(self) -> int:
        """How many watches there are: pairs of watcher and path."""
        return sum(map(len, self._watchers.values()))

    def __iter__(self) -> Iterator[tuple[str, Watcher, int]]:
        """Each watch: path, watcher and modes."""
        for path, watchers in self._paths.items():
            for watcher, modes in watchers.items():
                yield path, watcher, modes

    def by_session(self) -> Iterator[tuple[int, list[str]]]:
        """Each session that ever watched, with the paths it watches now."""
        for watcher, paths in self._watchers.items():
            yield watcher.session_id, list(paths)


class WatchManager:
    """The two tables of one server, and which event goes to which."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self.data = WatchTable(version)
        self.child = WatchTable(version)

    def add_watch(self, path: str, watcher: Watcher, mode: int) -> None:
        """addWatch: ``mode`` 0 is persistent, 1 persistent-recursive. Raises `ZooKeeperError` for
        any other.
        """
        if mode not in (0, 1):
            raise ZooKeeperError(Code.MARSHALLING_ERROR)
        self.data.add(path, watcher, RECURSIVE if mode else PERSISTENT)
        if not mode or self._version.recursive_in_both_tables:
            self.child.add(path, watcher, RECURSIVE if mode else PERSISTENT)

    def set_watches(
        self, tree: Tree, watcher: Watcher, zxid: int, lists: tuple[list[str | None] | None, ...]
    ) -> None:
        """setWatches: after a reconnect, tells what was missed since ``zxid`` and arms the rest,
        list by list.

        Raises `ZooKeeperError` where it comes upon a null list or path; what came before has been
        done, as in the server.
        """
        data, exist, child = map(_paths, lists[:3])

        def tell(type_: EventType, path: str) -> None:
            watcher.notify(type_, path, -1, None)

        for path in data:
            node = tree.get(path or "/")
            if node is None:
                tell(EventType.DELETED, path)
            elif node.mzxid > zxid:
                tell(EventType.DATA_CHANGED, path)
            else:
                self.data.add(path, watcher)
        for path in exist:
            if tree.get(path or "/") is not None:
                tell(EventType.CREATED, path)
            else:
                self.data.add(path, watcher)
        for path in child:
            node = tree.get(path or "/")
            if node is None:
                tell(EventType.DELETED, path)
            elif node.pzxid > zxid:
                tell(EventType.CHILDREN_CHANGED, path)
            else:
                self.child.add(path, watcher)
        for mode, paths in enumerate(lists[3:]):
            if paths is None:
                raise ZooKeeperError(Code.MARSHALLING_ERROR)
            for path in map(watchable, paths):
                self.add_watch(path, watcher, mode)

    def has(self, path: str, watcher: Watcher, type_: int) -> bool:
        """checkWatches. Raises `ZooKeeperError` for an unknown watcher type."""
        if self._version.check_watches_finds_anybodys:
            found = [table.is_watched(path) for table, _modes in self._selected(type_)]
            return any(found)
        return any(table.modes(path, watcher) & modes for table, modes in self._selected(type_))

    def remove(self, path: str, watcher: Watcher, type_: int) -> bool:
        """removeWatches: whether there was one. Raises `ZooKeeperError` for an unknown watcher
        type.
        """
        removed = [table.remove(path, watcher, modes) for table, modes in self._selected(type_)]
        return any(removed)

    def _selected(self, type_: int) -> list[tuple[WatchTable, int]]:
        """The tables and modes that a watcher type of the wire stands for."""
        add_up = self._version.watch_modes_add_up
        one = STANDARD if add_up else _ALL_MODES
        selected = {
            1: [(self.child, one)],
            2: [(self.data, one)],
            3: [(self.child, _ALL_MODES), (self.data, _ALL_MODES)],
        }
        if add_up:
            selected[4] = [(self.child, PERSISTENT), (self.data, PERSISTENT)]
            selected[5] = [(self.data, RECURSIVE)]
        if type_ not in selected:
            raise ZooKeeperError(Code.MARSHALLING_ERROR)
        return selected[type_]

    def remove_watcher(self, watcher: Watcher) -> None:
        self.data.remove_watcher(watcher)
        self.child.remove_watcher(watcher)

    def trigger(self, change: TreeChange, zxid: int) -> None:
        """Tells whoever watches of one change; ``zxid``: of the transaction that made it."""
        type_, path = change.type, change.path
        if type_ is None:
            return
        if not self._version.event_zxid:
            zxid = -1
        told = self.data.trigger(type_, path)
        for watcher in told:
            watcher.notify(type_, path, zxid, change.acl)
        if type_ is _DATA_CHANGED:
            return
        if type_ is EventType.DELETED:
            for watcher in self.child.trigger(type_, path):
                if watcher not in told:
                    watcher.notify(type_, path, zxid, change.acl)
        for watcher in self.child.trigger(_CHILDREN_CHANGED, change.parent):
            watcher.notify(_CHILDREN_CHANGED, change.parent, zxid, change.parent_acl)


def watchable(path: str | None) -> str:
    """The path a watch is kept under. A null one can be watched too, though nothing happens there;
    it goes by the name that it is printed with.
    """
    return "null" if path is None else path


def _paths(paths: list[str | None] | None) -> Iterator[str]:
    """One by one, so that a null is met only when its turn comes."""
    if paths is None:
        raise ZooKeeperError(Code.MARSHALLING_ERROR)
    for path in paths:
        if path is None:
            raise ZooKeeperError(Code.MARSHALLING_ERROR)
        yield path
