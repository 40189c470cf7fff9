"""The live copy, reply by reply."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from zkdict._copy.cache import Cache
from zkdict._copy.items import Kind, ReadZnode, SentRequest
from zkdict._copy.reads import WINDOW


def loading(cache: Cache, names: int) -> None:
    """Bring a cache to where it wants the data of so many children."""
    cache.connected()
    for _ in range(2):
        request = cache.next_request(0)
        assert request is not None
        if request.kind is Kind.SYNC:
            cache.sync_reply(request, synced=True)
        else:
            cache.children_reply(request, [f"{number:04}" for number in range(names)], 1)


def taken(cache: Cache) -> list[SentRequest]:
    """All reads that are to be sent now."""
    return list(iter(lambda: cache.next_request(0), None))  # type: ignore[arg-type]


def test_force_shows_what_is_known() -> None:
    """A bounded wait ran out: the newest values that were read, with own writes, not exact."""
    cache = Cache()

    def node(raw: bytes, zxid: int) -> ReadZnode:
        return ReadZnode(raw, 0, zxid, zxid, 0, 0, 0)

    def next_request() -> SentRequest:
        request = cache.next_request(0)
        assert request is not None
        return request

    assert cache.force() is None
    cache.connected()
    assert cache.sync_reply(next_request(), synced=True) is None
    assert cache.children_reply(next_request(), ["a", "b"], 2) is None
    first = next_request()
    assert cache.data_reply(first, node(b"1", 1)) is None
    loaded = cache.data_reply(next_request(), node(b"1", 2))
    assert loaded is not None
    assert loaded.exact
    assert cache.force() is None  # nothing new
    cache.event(first, deleted=False)
    assert cache.force() is None  # nothing was read yet
    forced = cache.force({"b": None, "c": node(b"mine", 5)})
    assert forced is not None
    assert not forced.exact
    assert forced.changes == {"b": None, "c": node(b"mine", 5)}
    assert (forced.zxid, forced.position) == (loaded.zxid, loaded.position)
    # What was laid over the copy is looked at again, before any state is called exact.
    assert cache.data_reply(next_request(), node(b"2", 4)) is None
    assert cache.data_reply(next_request(), None) is None
    settled = cache.data_reply(next_request(), node(b"mine", 5))
    assert settled is not None
    assert settled.exact
    assert list(settled.changes) == ["a"]
    assert settled.zxid == 5


def test_a_reply_that_comes_behind_its_watchs_event_brings_the_copy_forward() -> None:
    """Replies are handed over in batches. Keys that change faster would never be shown else."""
    cache = Cache()
    loading(cache, 2)
    for round_ in range(1, 4):
        reads = taken(cache)
        for read in reads:
            cache.event(read, deleted=False)
        for read in reads:
            znode = ReadZnode(b"", round_, 1, read.position, 0, 0, 0)
            assert cache.data_reply(read, znode) is None, "it is pending"
        forced = cache.force()
        assert forced is not None
        assert forced.live
        assert forced.position == reads[0].position
        assert {new.version for new in forced.changes.values() if new} == {round_}
    cache.connected()
    late = ReadZnode(b"of an older connection", 9, 1, 9, 0, 0, 0)
    cache.data_reply(reads[0], late)
    assert cache.peek(reads[0].name) != late


def test_a_list_that_is_overtaken_brings_the_copy_forward() -> None:
    """Its watch's event comes first. Keys made faster than lists come would never be shown else."""
    cache = Cache()
    loading(cache, 0)
    cache.expect({"": Kind.CHILDREN})
    (listing,) = taken(cache)
    for number in range(1, 4):
        cache.event(listing, deleted=False)
        names = [f"new {each}" for each in range(number)]
        assert cache.children_reply(listing, names, number) is None, "it is pending"
        newer, data = taken(cache)
        assert cache.data_reply(data, ReadZnode(b"", 0, number, number, 0, 0, 0)) is None
        forced = cache.force()
        assert forced is not None
        assert list(forced.changes) == names[-1:]
        assert forced.position == listing.position
        listing = newer


def test_a_list_that_is_overtaken_does_not_undo_a_later_read() -> None:
    """A key that was made after that list is shown after one round trip all the same."""
    cache = Cache()
    loading(cache, 0)
    cache.expect({"": Kind.CHILDREN})
    (older,) = taken(cache)
    cache.expect({"own": Kind.DATA, "": Kind.CHILDREN})
    data, newer = taken(cache)
    assert cache.children_reply(older, [], 1) is None
    assert cache.data_reply(data, ReadZnode(b"", 0, 2, 2, 0, 0, 0)) is None
    assert cache.children_reply(newer, ["own"], 2) is not None


def test_an_own_write_is_not_taken_back_by_the_reply_to_an_earlier_read() -> None:
    """The caller was woken, and lost patience, before that was handed over."""
    for mine in (ReadZnode(b"mine", 1, 1, 5, 0, 0, 0), None):
        cache = Cache()
        loading(cache, 1)
        read = taken(cache)[0]
        name = read.name
        assert cache.data_reply(read, ReadZnode(b"1", 0, 1, 1, 0, 0, 0)) is not None
        cache.event(read, deleted=False)
        read = taken(cache)[0]
        assert cache.force({name: mine}) is not None
        assert cache.data_reply(read, ReadZnode(b"2", 0, 1, 2, 0, 0, 0)) is None
        assert cache.peek(name) == mine


def test_what_was_laid_over_the_copy_is_not_taken_back_by_a_server_that_lags() -> None:
    """A server without a quorum cannot sync: what it shows is held back, not shown as newer."""
    cache = Cache()

    def request() -> SentRequest:
        request = cache.next_request(0)
        assert request is not None
        return request

    cache.connected()
    cache.sync_reply(request(), synced=True)
    assert cache.children_reply(request(), [], 2) is not None
    assert cache.force({"own": ReadZnode(b"mine", 0, 5, 5, 0, 0, 0)}) is not None
    for synced in (False, True):
        cache.connected()
        cache.sync_reply(request(), synced=synced)
        listed = cache.children_reply(request(), [], 2)
        checked = cache.stat_reply(request(), None) if not synced else None
        shown = listed or checked
        assert (shown is not None) is synced


def test_a_load_leaves_room_for_callers() -> None:
    cache = Cache()
    loading(cache, 3 * WINDOW)
    assert len(taken(cache)) == WINDOW <= 1000


@given(st.lists(st.sampled_from(["reply", "lost", "event", "reconnect"]), max_size=60))
def test_no_more_reads_are_under_way_than_the_window_has_room_for(steps: list[str]) -> None:
    """And no fewer, while any are wanted: replies of an older connection make no room."""
    window, names = 3, 10
    cache = Cache(window)
    loading(cache, names)
    under_way: deque[SentRequest] = deque(taken(cache))
    assert len(under_way) == window
    zxid = 1
    for step in steps:
        if step == "reconnect":
            cache.disconnected()
            assert cache.next_request(0) is None
            loading(cache, names)
            under_way.clear()
        elif step == "lost" and under_way:  # of a connection that is gone
            late = under_way[0]._replace(epoch=under_way[0].epoch - 1)
            assert cache.data_reply(late, None) is None
        elif step == "event" and under_way:
            cache.event(under_way[0], deleted=False)
        elif step == "reply" and under_way:
            request = under_way.popleft()
            zxid += 1
            znode = ReadZnode(b"", 0, zxid, zxid, 0, 0, 0)
            if request.kind is Kind.STAT:
                cache.stat_reply(request, znode)
            else:
                cache.data_reply(request, znode)
        under_way.extend(taken(cache))
        assert min(window, cache.pending) <= len(under_way) <= window
