"""The server under attack, in a process of its own: ``python -m tests.hostile serve``.

It can be given a leak, to see whether a campaign would find one.

One line of JSON says where it listens. Then it does what each line of its input says, and answers
with a line of JSON:

- ``measure``: once every client has gone, puts the tree back to what it was, forgets the sessions,
  and tells what is in use: ``memory``, the bytes of all pages; ``native``, the bytes that the C
  library has given to whoever asked, OpenSSL most of all, where it tells; ``blocks``, the pieces
  that Python has of its own memory.
- ``stop``: ends, and tells whether the fake has failed.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import ssl
import sys
import time
from contextlib import suppress
from pathlib import Path

from zkfake import FakeZooKeeper
from zkfake._connection.connection import Connection
from zkfake._realtime.tls import Tls

SETTINGS = {
    "tickTime": 1000,
    "maxClientCnxns": 0,
    "4lw.commands.whitelist": "*",
    "extendedTypesEnabled": True,
    "sasl.users": {"bob": "secret"},
    "maxSessionTimeout": 120_000,
}


_kept: list[object] = []


def _keep_connections() -> None:
    """A connection that has been closed is never forgotten, nor is any request that it sent.

    A short campaign on a slow machine has few connections: what they keep by themselves may be less
    than `tests.hostile.campaign.MOST` allows. It has thousands of requests on every machine.
    """
    lost, receive = Connection.lost, Connection._receive_request

    def leaking(self: Connection) -> None:
        _kept.append(self)
        lost(self)

    def hoarding(self: Connection, frame: bytes) -> None:
        _kept.append((self, frame))
        receive(self, frame)

    Connection.lost = leaking  # type: ignore[method-assign]
    Connection._receive_request = hoarding  # type: ignore[method-assign]


def _keep_tls() -> None:
    """What OpenSSL has of a connection is never given back."""
    make = Tls.__init__

    def leaking(self: Tls, context: ssl.SSLContext) -> None:
        make(self, context)
        _kept.append(self)

    Tls.__init__ = leaking  # type: ignore[method-assign]


LEAKS = {"blocks": _keep_connections, "native": _keep_tls}
"""By what they make grow."""


def serve(servers: int, certificate: str, leak: str = "") -> None:
    if leak:
        LEAKS[leak]()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    fake = FakeZooKeeper(servers=servers, tls=context, settings=SETTINGS).start()
    fake.load({"/h/big": b"x" * 300_000, "/h/a": b"", "/h/b": b"", "/honest": b""})
    fake.load({f"/h/many/{number:04}": b"" for number in range(2000)})
    calm = fake.snapshot()
    _tell({"ports": [[member.port, member.secure_port] for member in fake.members]})
    for line in sys.stdin:
        if line.strip() == "measure":
            _tell(_measure(fake, calm))
            continue
        try:
            fake.stop()
            _tell({"failed": None})
        except RuntimeError as error:
            _tell({"failed": f"{error}: {error.__cause__!r}"})
        return


def _measure(fake: FakeZooKeeper, calm: object) -> dict[str, int]:
    """What is in use; what is kept for later does not count where it can be given back."""
    while fake.connections:
        time.sleep(0.01)
    while sessions := fake.sessions:
        for session in sessions:
            with suppress(KeyError):
                fake.expire(session.id)
        time.sleep(0.01)
    fake.restore(calm)  # type: ignore[arg-type]
    _clear_caches()
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    figures = {"memory": pages * os.sysconf("SC_PAGE_SIZE"), "blocks": sys.getallocatedblocks()}
    with suppress(OSError, AttributeError):
        mallinfo = ctypes.CDLL(None).mallinfo2
        mallinfo.restype = _Mallinfo
        told = mallinfo()
        figures["native"] = told.uordblks + told.hblkhd
    return figures


class _Mallinfo(ctypes.Structure):
    """``struct mallinfo2`` of the GNU C library: ``uordblks`` and ``hblkhd`` are the bytes in use,
    in its heaps and mapped one by one.
    """

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def _clear_caches() -> None:
    """Those with a bound: one campaign fills them and another one does not. One without a bound
    would be a leak.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("zkfake"):
            for value in vars(module).values():
                if hasattr(value, "cache_info") and value.cache_info().maxsize is not None:
                    value.cache_clear()


def _tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
