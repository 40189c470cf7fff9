"""What is known of changes without the log, beside a list of all that was told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zkfake._history.known import KnownChanges
from zkfake._history.states import CHILD, DATA
from zkfake.history import WatchEvent

ZXIDS = st.integers(0, 12)
TYPES = st.sampled_from(["CREATED", "DATA_CHANGED", "DELETED", "CHILDREN_CHANGED"])
TABLES = {
    "CREATED": [("/a/b", DATA), ("/a", CHILD)],
    "DATA_CHANGED": [("/a/b", DATA)],
    "DELETED": [("/a/b", DATA), ("/a/b", CHILD), ("/a", CHILD)],
    "CHILDREN_CHANGED": [("/a/b", CHILD)],
}


@given(events=st.lists(st.tuples(TYPES, ZXIDS), max_size=12), since=ZXIDS, until=ZXIDS)
def test_the_changes_between_two_zxids(
    events: list[tuple[str, int]], since: int, until: int
) -> None:
    known = KnownChanges()
    for kind, zxid in events:
        known.told(WatchEvent(0.0, "c", 1, kind, "/a/b", zxid))
    for path, table in (("/a/b", DATA), ("/a/b", CHILD), ("/a", CHILD), ("/a", DATA)):
        zxids = sorted({zxid for kind, zxid in events if zxid and (path, table) in TABLES[kind]})
        found = known.within(path, table, since, until)
        assert [each.zxid for each in found] == [z for z in zxids if since < z <= until]
        first = known.next_change(path, table, since)
        assert (first and first.zxid) == next((z for z in zxids if z > since), None)
