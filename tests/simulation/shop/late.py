"""Imported for the first time while a simulation runs."""

import time
from time import monotonic


def nap() -> float:
    before = monotonic()
    time.sleep(3600)
    return monotonic() - before
