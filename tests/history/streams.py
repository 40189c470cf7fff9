"""Histories as long as one wants: four clients write and read eight znodes on one server.

``python -m tests.history.streams`` tells what judging costs, an event at a time.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from zkfake._database.log import Create, SetData, Transaction
from zkfake._history.checking import check
from zkfake._protocol.jute import pack_buffer, pack_int, pack_string
from zkfake._protocol.records import Acl, Op, pack_connect_response, pack_reply, pack_stat
from zkfake.history import Committed, Connected, Event, Reply, Sent

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS, ZNODES = 4, 8
_OPEN = (Acl(31, "world", "anyone"),)


def stream(events: int, log: bool = True) -> Iterator[Event | Committed]:
    """So many events, and what was committed among them."""
    zxid = number = 0
    now = 0.0
    for client in range(CLIENTS):
        number += 1
        asked = bytes(16) + struct.pack(">iq", 8000, 0) + pack_buffer(bytes(16))
        given = pack_connect_response(8000, 1 + client, bytes(16), None)
        name, link = f"c{client}", client + 1
        yield Connected(now, name, link, 1)
        yield Sent(now, name, link, number, 0, "connect", (), _frame(asked))
        yield Reply(now, name, link, number, 0, "connect", (), 0, 0, _frame(given))
    nodes = []
    for place in range(ZNODES):
        zxid += 1
        made = Create(f"/n{place}", b"", _OPEN, 0, 0, place + 1)
        if log:
            yield Committed(now, Transaction(zxid, 0, 0, Op.CREATE, (made,)))
        nodes.append((b"", zxid, zxid, 0))
    turn = 0
    for turn in range(events // 2):
        now += 0.001
        number += 1
        client, place = turn % CLIENTS, turn // CLIENTS % ZNODES
        name, link, path = f"c{client}", client + 1, f"/n{place}"
        data, czxid, mzxid, version = nodes[place]
        if turn % 2:
            zxid, data, version = zxid + 1, b"%d" % turn, version + 1
            nodes[place] = (data, czxid, mzxid, version) = (data, czxid, zxid, version)
            operation, code = "setData", Op.SET_DATA
            asked = pack_string(path) + pack_buffer(data) + pack_int(-1)
            given = b""
        else:
            operation, code = "getData", Op.GET_DATA
            asked = pack_string(path) + b"\0"
            given = pack_buffer(data)
        given += pack_stat(czxid, mzxid, 0, 0, version, 0, 0, 0, len(data), 0, czxid)
        asked = struct.pack(">ii", number, code) + asked
        yield Sent(now, name, link, number, number, operation, (path,), _frame(asked))
        if log and code is Op.SET_DATA:
            done = SetData(path, data, version)
            yield Committed(now, Transaction(zxid, 0, 1 + client, code, (done,)))
        answer = _frame(pack_reply(number, zxid, 0, given))
        yield Reply(now, name, link, number, number, operation, (path,), zxid, 0, answer)


def _frame(payload: bytes) -> bytes:
    return pack_int(len(payload)) + payload


def main() -> None:
    for log in (True, False):
        for events in (100_000, 1_000_000):
            start = time.process_time()
            for _ in stream(events, log):
                pass
            making = time.process_time() - start
            start = time.process_time()
            check(stream(events, log), has_log=log, complete=True).raise_if_broken()
            spent = (time.process_time() - start - making) / events
            print(f"log: {log}, {events:>9,} events: {1e6 * spent:.2f} us an event")  # noqa: T201


if __name__ == "__main__":
    main()
