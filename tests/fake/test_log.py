"""The log: what it remembers."""

from hypothesis import given
from hypothesis import strategies as st

from zkfake._database.log import Log, Transaction
from zkfake._protocol.records import Op


@given(
    st.lists(st.integers(1, 5)),
    st.none() | st.integers(0, 5),
    st.integers(0, 60),
    st.integers(0, 9),
)
def test_the_log_remembers_the_last_transactions(
    gaps: list[int], keep: int | None, asked: int, start: int
) -> None:
    log, zxids, zxid = Log(start, keep=keep), [], start
    assert log.last_zxid == start
    for gap in gaps:
        zxid += gap
        zxids.append(zxid)
        log.append(Transaction(zxid, 0, 0, Op.CREATE))
        assert log.last_zxid == zxid
    remembered = zxids if keep is None else zxids[len(zxids) - min(keep, len(zxids)) :]
    assert len(log) == len(remembered)
    assert [entry.zxid for entry in log.after(asked)] == [z for z in remembered if z > asked]
