"""One error for each guarantee, raised by `Verdict.raise_if_broken`."""

from __future__ import annotations

from typing import Any

__all__ = [
    "AtomicityBroken",
    "DictBroken",
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

    verdict: Any = None
    """The `zkfake.history.Verdict` that raised it, if one did."""

    findings: tuple[Any, ...] = ()
    """Everything that the verdict found broken: its `zkfake.history.Finding` objects."""


class SequentialConsistencyBroken(GuaranteeBroken):
    """A client's requests did not take effect, or were not answered, in the order sent."""


class AtomicityBroken(GuaranteeBroken):
    """An update took effect in part, or one that failed left a trace."""


class SingleSystemImageBroken(GuaranteeBroken):
    """A client was shown a state that never existed, or an older one than before."""


class ReliabilityBroken(GuaranteeBroken):
    """An acknowledged update is not in the state, or the state has an update without a request."""


class TimelinessBroken(GuaranteeBroken):
    """A client's view was older than the bound."""


class WatchesBroken(GuaranteeBroken):
    """A watch event was lost, sent twice, sent without a change, or sent after the new data."""


class EphemeralsBroken(GuaranteeBroken):
    """An ephemeral znode outlived its session."""


class SequenceNumbersBroken(GuaranteeBroken):
    """A sequence number was given twice, or fell."""


class SyncBroken(GuaranteeBroken):
    """After a sync a client did not see what was committed before it."""


class ExpiryBroken(GuaranteeBroken):
    """A session expired before its timeout was over."""


class LeadershipBroken(GuaranteeBroken):
    """Two servers led in one epoch; or one that was not elected by a majority, or had no quorum; or
    servers did not agree on who is a member.
    """


class DictBroken(GuaranteeBroken):
    """A `ZooKeeperDict` showed what it promises not to show."""


class PromiseBroken(GuaranteeBroken):
    """A promise that the program has given to `History.check` was not kept, or two claims of one
    name held at once (`History.claim`).
    """
