"""Mutants that no test can find, since they are the same program, each with its reason."""

from __future__ import annotations

import re

_COUNTED = "An exact count follows where it says that one is needed."
_MAXIMUM = "It only takes part in a maximum with a zxid, which is never negative."

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        *("keys.py", "if len(name) * 3 > MAX_NAME_BYTES:"),
        "if len(name) * 4 > MAX_NAME_BYTES:",
    ): _COUNTED,
    ("leading.py", "zxid: int = 0", "zxid: int = -1"): _MAXIMUM,
    ("clients.py", "raise errors[0]", "raise errors[-1]"): "There is at most one.",
    ("upstream.py", "queued = 0", "queued = -1"): "It is only asked whether it is above a limit.",
    (
        *("cache.py", "self._looked = 0 # where the next look begins"),
        "self._looked = -1 # where the next look begins",
    ): "The first look may begin anywhere: all are looked at in turn.",
    (
        *("_words.py", "while chunk := connection.recv(65536):"),
        "while chunk := connection.recv(65537):",
    ): "How much is read at once makes no difference.",
    (
        *("frames.py", '_CONNECT = RequestHead(0, "connect", ())'),
        '_CONNECT = RequestHead(-1, "connect", ())',
    ): "The number of a handshake is compared with that of a ping, -2, and with no other.",
    (
        *("stats.py", "if not self.count or elapsed < self.minimum:"),
        "if not self.count or elapsed <= self.minimum:",
    ): "Of two equal times it makes no difference which one is the smallest.",
    (
        *("ensemble.py", "if len(self.replicas) >= _MOST_SERVERS:"),
        "if len(self.replicas) is _MOST_SERVERS:",
    ): "There are never more, and so small a number is always the same object.",
    (
        *("replies.py", "path, node = self._readable(record.path, request, acl.READ | acl.ADMIN)"),
        "path, node = self._readable(record.path, request, acl.READ - acl.ADMIN)",
    ): "Of the five bits that an entry may have, both say the same.",
    (
        "storage.py",
        "break # cut, if within a line: even a whole one may be the start of a longer one",
        "continue # cut, if within a line: even a whole one may be the start of a longer one",
    ): "Only the last line can be without an end.",
    (
        "single.py",
        "if held is not None and (held.czxid, held.version) == (stat.czxid, version):",
        "if held is not None and (held.czxid, held.version) >= (stat.czxid, version):",
    ): "What was read before the write is at most as new as what the write found.",
    ("listener.py", "_AT_ONCE = 64", "_AT_ONCE = 63"): "The others are accepted at the next turn.",
    (
        *(
            "kazoo_harness.py",
            "def get_logs(self, num_lines: int = 100) -> list[str]: # noqa: ARG002",
        ),
        "def get_logs(self, num_lines: int = 99) -> list[str]: # noqa: ARG002",
    ): "The fake writes no log.",
    (
        *("operations.py", "mode = CREATE_FLAGS.get(sub.record.flags, CREATE_FLAGS[0])"),
        "mode = CREATE_FLAGS.get(sub.record.flags, CREATE_FLAGS[1])",
    ): "It is asked for a TTL and for a container: neither has one.",
    (
        "_unpickling.py",
        "for element in arguments[0] if arguments and type(arguments[0]) is list else ():",
        "for element in arguments[0] if arguments and type(arguments[-1]) is list else ():",
    ): "A set is made of one argument: more are refused, whatever they are.",
    (
        *("x500.py", "if size > 4 or at + size > len(data):"),
        "if size > 4 or at ^ size > len(data):",
    ): "It is at most the sum; what it lets through ends beyond the data, which is refused, too.",
    (
        *("frames.py", "body = _CONNECT_BODY.pack(0, 0, handshake.timeout, handshake.session_id)"),
        "body = _CONNECT_BODY.pack(0, -1, handshake.timeout, handshake.session_id)",
    ): "A server refuses a client that has seen more than itself: no server has seen less than 0.",
    ("providers.py", "@lru_cache(1 << 15)", ""): "What is kept is only what comes out each time.",
}
"""By the file, and the line as it is and as it would be, without indents: it stays known when it
moves.
"""


def reason(diff: str) -> str:
    """Why the mutant with this diff is equivalent; "" where it is not known to be."""
    head, _, *lines = diff.splitlines()
    old, new = (
        # A number that is put in comes with a blank of its own.
        re.sub(r"(?<=[\[(]) ", "", " ".join(" ".join(found).split()))
        for found in ([each[1:] for each in lines if each.startswith(sign)] for sign in "-+")
    )
    return EQUIVALENT.get((head.rpartition("/")[2], old, new), "")
