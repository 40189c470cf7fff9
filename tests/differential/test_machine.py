"""The fake beside the live server: the same frames to both, every answer compared byte for byte.

`ZK_DIFFERENTIAL_STEPS` sets how many steps are made (2,000), `ZK_DIFFERENTIAL_SEED` where the
drawing starts; `python -m tests.differential --help` tells of longer runs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .machine import run

if TYPE_CHECKING:
    from zkfake._compare.driver import Pair

STEPS = int(os.environ.get("ZK_DIFFERENTIAL_STEPS", "2000"))
SEED = int(os.environ.get("ZK_DIFFERENTIAL_SEED", "0"))


def test_fake_and_live_answer_alike(fake_and_live: Pair, live_version: str) -> None:
    run(fake_and_live, live_version, STEPS, SEED)
    assert fake_and_live.steps >= STEPS
    # A step that compares nothing is no step: each has at least the answer to a ping.
    assert fake_and_live.frames > fake_and_live.steps
