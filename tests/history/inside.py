"""Events of what servers do among themselves, as Hypothesis strategies."""

from __future__ import annotations

from hypothesis import strategies as st

from zkfake.history import (
    AppliedNext,
    Configured,
    Elected,
    Followed,
    LastHeard,
    LinkChanged,
    ServerPaused,
    Vote,
)

_TIME = st.floats(0, 100)
_SERVER = st.integers(1, 5)
_SERVERS = st.lists(_SERVER, unique=True, max_size=3).map(tuple)
_ZXID = st.integers(0, 2**63 - 1)
_SESSION = st.integers(-(2**63), 2**63 - 1)
_QUORUMS = st.lists(_SERVERS, max_size=2).map(tuple)
_VOTES = st.lists(st.builds(Vote, _SERVER, _SERVER, _ZXID, st.booleans()), max_size=3).map(tuple)

INSIDE = st.one_of(
    st.builds(AppliedNext, _TIME, _SERVER, _ZXID, _ZXID),
    st.builds(Configured, _TIME, _SERVER, _SERVER, _ZXID, st.booleans(), st.booleans()),
    st.builds(Elected, _TIME, _SERVER, _SERVER, _VOTES, _QUORUMS),
    st.builds(Followed, _TIME, _SERVER, _SERVER, _SERVERS, _QUORUMS, _TIME),
    st.builds(LastHeard, _TIME, _SERVER, _SERVER, _SESSION, _SERVER, _TIME),
    st.builds(LinkChanged, _TIME, _SERVER, _SERVER, st.booleans()),
    st.builds(ServerPaused, _TIME, _SERVER, st.booleans()),
)
