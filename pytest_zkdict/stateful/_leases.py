"""Leases of dicts, as rules of a state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis.stateful import rule

from pytest_zkdict.stateful._faults import numbers_of_dicts, troubles
from pytest_zkdict.stateful._judging import JudgedDicts
from zkdict import ABSENT, LeaseState, ZooKeeperDict
from zkdict.errors import KeyExists, Timeout, WriteUncertain

if TYPE_CHECKING:
    from pytest_zkdict.stateful._places import Place
    from zkdict import Lease

__all__ = ["LeaseSteps"]

#: The key of leases.
LEASED = "leased"


class LeaseSteps(JudgedDicts):
    """Rules for leases, and what has to be true of them when everything was delivered."""

    def __init__(self, place: Place | None = None, path: str = "/dict") -> None:
        super().__init__(place, path)
        self._holders: list[ZooKeeperDict[Any]] = []
        """Leases are taken at a path of their own: they come and go with sessions."""
        self._leases: list[Lease[Any] | None] = [None] * self.size
        self._released: list[Lease[Any]] = []
        self._nobodys = False

    def _holder(self, on: int) -> ZooKeeperDict[Any]:
        if not self._holders:
            assert self.place is not None
            made = []
            for client in self.place.clients[: self.size]:
                made.append(ZooKeeperDict[Any](client, f"{self.path}-leases"))
                self.opened.append(made[-1])
            self._holders = made  # all of them, or none: one may not be loaded in time
        return self._holders[on]

    @rule(on=numbers_of_dicts, fault=troubles)
    def lease(self, on: int, fault: str | None = None) -> None:
        """A dict takes a lease of the key `leased`; then the fault strikes."""
        self.answered(on)
        if self._leases[on] is not None:
            return
        try:
            self._leases[on] = self._holder(on).lease(LEASED, on)
        except (KeyExists, Timeout, WriteUncertain) as error:
            self.did(f"dict {on}: lease({LEASED!r}, {on}) -> {error!r}")
            # The key may be there for as long as the session lives, and nobody has the lease.
            self._nobodys |= isinstance(error, WriteUncertain)
        else:
            self.did(f"dict {on}: lease({LEASED!r}, {on})")
            self.meet(fault, [on])
        self.look_at_all()

    @rule(on=numbers_of_dicts, fault=troubles)
    def release(self, on: int, fault: str | None = None) -> None:
        """Release the lease of this dict, if it has one."""
        lease = self._leases[on]
        if lease is None:
            return
        losses = self.meet(fault, [on])
        try:
            lease.release()
        except (Timeout, WriteUncertain) as error:
            self.did(f"dict {on}: release() -> {error!r}")  # it goes on by itself
        else:
            self.did(f"dict {on}: release()")
        for loss in losses:
            loss.cancel()
        self._leases[on] = None
        self._released.append(lease)
        self.look_at_all()

    def look_at_rest(self) -> None:
        """Called when everything is delivered: fails unless the lease that says that it holds the
        key does.
        """
        if not self._holders:
            return
        shown = self._holders[0].snapshot()
        held = [on for on, lease in enumerate(self._leases) if lease is not None and lease.held]
        waiting = [on for on, lease in enumerate(self._leases) if lease is not None]
        if len(held) > 1:
            self.fail(f"everything was delivered, and dicts {held} hold one lease")
        if held:
            value = shown.get(LEASED, ABSENT)
            if value != held[0]:
                self.fail(f"dict {held[0]} holds its lease, and the key is {value!r}")
            owner = shown.entry(LEASED).ephemeral_owner
            assert self.place is not None
            client_id = self.place.clients[held[0]].client_id
            if client_id is None or owner != client_id[0]:
                self.fail(f"dict {held[0]} holds a lease of session {owner}, not of its own")
        elif self._nobodys:
            return
        elif waiting:
            self.fail(f"everything was delivered, and dicts {waiting} did not get their lease")
        elif LEASED in shown:
            self.fail(f"every lease was released, and the key is {shown[LEASED]!r}")

    def await_rest(self) -> None:
        """Wait until the dicts' tasks have made and removed the keys of the leases."""

        def is_done() -> bool:
            if any(lease.state is not LeaseState.RELEASED for lease in self._released):
                return False
            wanted = [lease for lease in self._leases if lease is not None]
            if wanted:
                return self._nobodys or any(lease.held for lease in wanted)
            return self._nobodys or not self._holders or LEASED not in self._holders[0]

        self.comes_true(is_done)  # `look_at_rest` tells what is wrong
        self._released.clear()
