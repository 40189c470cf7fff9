"""Drives a server of ours, which nobody else uses and which may be asked anything.

Rules that live here: the steward is a superuser, and leaves the whole server as it was before the
example; what is sent only here, and what is compared only here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._compare import side as compared
from zkfake._compare import wire
from zkfake._compare.side import ORDERLY, OpenLine, Progress, Seen
from zkfake._compare.wire import OPS

from .mapping import ExactMapping
from .servers import SUPER
from .steps import ROOT, Raw, Step, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkfake._compare.steps import RawRequest

    from .servers import Server

PERMANENT = ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config")


class Side(compared.Side):
    """One server with the connections and sessions of the current example."""

    def __init__(self, server: Server, mapping: ExactMapping | None = None) -> None:
        self._exact = ExactMapping() if mapping is None else mapping
        # 3.9 does not know `check` outside a multi; 3.8.0 does (and does not answer a good one).
        orderly = ORDERLY if server.version == "3.8" else ORDERLY - {OPS["check"]}
        super().__init__(server, ROOT, SUPER, mapping=self._exact, orderly=orderly)
        self._quotas = False
        # How often its maker asked whether it is up is not the same on both sides.
        self.ask_word(b"srst")

    def ask_word(self, data: bytes) -> list[bytes]:
        """A four-letter word, and each server's answer to it."""
        channel = self.server.channel()
        channel.send(data)
        return [channel.read_raw()]

    def is_one_by_one(self, line: OpenLine, requests: Sequence[RawRequest]) -> bool:
        self._quotas |= any(b"zookeeper_limits" in request.body for request in requests)
        # The quota check of a pipelined request may come before or after the one in front of it
        # has been counted.
        return self._quotas

    def begin(self) -> Progress:
        self._quotas = False
        return (yield from super().begin())

    def perform(self, step: Step) -> Progress:
        match step:
            case Raw(slot, data, cut):
                line, seen = yield from self._ensure(slot)
                if not cut:
                    return seen + (yield from self._exchange(slot, line, [data], ()))
                line.channel.send(data)
                seen += self._finish(slot)
                return seen + (yield from self._settle(except_slot=slot))
            case Word(word, tail):
                yield
                texts = [self._exact.word(word, text) for text in self.ask_word(word + tail)]
                return [Seen(-2, tuple(texts), True)]
            case _:
                return (yield from super().perform(step))

    def _clear(self) -> Progress:
        """Delete all but the permanent nodes, and give those their ACL and data back."""
        found: list[str] = []
        seen = yield from self._find("/", found)
        doomed = [path for path in reversed(found) if path not in PERMANENT]
        seen += yield from self._ask(OPS["delete"], [wire.path_version(p) for p in doomed], [])
        raw: list[bytes] = []
        seen += yield from self._ask(OPS["getACL"], [wire.string(p) for p in PERMANENT], raw)
        for path, payload in zip(PERMANENT, raw, strict=True):
            perms = wire.PERM_READ if path == PERMANENT[-1] else wire.PERM_ALL
            acl = wire.acls([(perms, "world", "anyone")])
            if payload[16 : 16 + len(acl)] != acl:
                body = wire.string(path) + acl + wire.i32(-1)
                seen += yield from self._ask(OPS["setACL"], [body], [])
        raw = []
        seen += yield from self._ask(OPS["getData"], [wire.path_watch(p) for p in PERMANENT], raw)
        for path, payload in zip(PERMANENT, raw, strict=True):
            if payload[16:20] != bytes(4):
                body = wire.set_data(path, b"")
                seen += yield from self._ask(OPS["setData"], [body], [])
        return seen
