"""One error for each guarantee, raised by `Verdict.raise_if_broken`."""

from __future__ import annotations

__all__ = [
    "AtomicityBroken",
    "EphemeralsBroken",
    "ExpiryBroken",
    "GuaranteeBroken",
    "LeadershipBroken",
    "PromiseBroken",
    "ReliabilityBroken",
    "SequenceNumbersBroken",
    "SequentialConsistencyBroken",
    "SingleSystemImageBroken",
    "SyncBroken",
    "TimelinessBroken",
    "WatchesBroken",
]


class GuaranteeBroken(AssertionError):
    """Something that ZooKeeper, or the program, promises was not kept; the text shows it."""


class SequentialConsistencyBroken(GuaranteeBroken):
    """A client's requests did not take effect, or were not answered, in the order sent."""


class AtomicityBroken(GuaranteeBroken):
    """An update took effect in part, or one that failed left a trace."""


class SingleSystemImageBroken(GuaranteeBroken):
    """A client was shown a state that was never there, or an older one than before."""


class ReliabilityBroken(GuaranteeBroken):
    """An update that was acknowledged is not in the state, or one is that nobody asked for."""


class TimelinessBroken(GuaranteeBroken):
    """A client's view was older than the bound."""


class WatchesBroken(GuaranteeBroken):
    """A watch event was lost, told twice, told of nothing, or came behind the new data."""


class EphemeralsBroken(GuaranteeBroken):
    """An ephemeral znode outlived its session."""


class SequenceNumbersBroken(GuaranteeBroken):
    """A sequence number was given twice, or fell."""


class SyncBroken(GuaranteeBroken):
    """Behind a sync a client did not see what was committed before it."""


class ExpiryBroken(GuaranteeBroken):
    """A session expired before its timeout was over."""


class LeadershipBroken(GuaranteeBroken):
    """Two servers led in one epoch."""


class PromiseBroken(GuaranteeBroken):
    """A promise of the program's own was not kept."""
