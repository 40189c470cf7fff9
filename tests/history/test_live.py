"""A live ensemble under every fault, recorded and judged."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from zkfake.history import Reply, WatchEvent

from .live import record

pytestmark = pytest.mark.needs_java

SECONDS = 25.0


def test_a_live_ensemble_under_every_fault_is_judged_clean(
    live_home: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "kazoo")
    history, done, _ = record(SECONDS, seed=0, home=live_home)
    assert done["kill"] + done["stop"] + done["lose_quorum"]
    operations = Counter(reply.operation for reply in history.of(Reply))
    for operation in ("create", "setData", "multi", "sync", "getData", "addWatch", "setACL"):
        assert operations[operation], operations
    assert history.of(WatchEvent)
    verdict = history.check(complete=True)
    verdict.raise_if_broken()
    checked = {each.judge: each.times for each in verdict.checked}
    for judge in ("clients agree", "writes in order", "watches are told", "never back"):
        assert checked[judge] > 10, checked
