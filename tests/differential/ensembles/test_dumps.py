"""A dump of a real leader that misses sessions is asked for again."""

from __future__ import annotations

import pytest

from .beside import _misses_sessions

WHOLE = b"""SessionTracker dump:
Session Sets (2)/(2):
0 expire at Sat Nov 28 13:19:26 UTC 2026:
4 expire at Sat Nov 28 13:19:28 UTC 2026:
\t0x2000536b2500001
\t0x1000536b2300001
ephemeral nodes dump:
Sessions with Ephemerals (1):
0x1000536b2300001:
\t/0x1
Connections dump:
"""


@pytest.mark.parametrize("session", [b"\t0x2000536b2500001\n", b"\t0x1000536b2300001\n"])
def test_a_session_that_is_counted_and_not_listed_is_missed(session: bytes) -> None:
    assert not _misses_sessions(WHOLE)
    assert _misses_sessions(WHOLE.replace(session, b""))
