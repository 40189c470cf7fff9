"""The server under attack, in a process of its own: ``python -m tests.hostile serve``.

One line of JSON says where it listens. Then it does what each line of its input says, and answers
with a line of JSON:

- ``measure``: once every client has gone, puts the tree back to what it was, forgets the sessions,
  and tells how much memory is in use, and in how many blocks Python has it.
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

SETTINGS = {
    "tickTime": 1000,
    "maxClientCnxns": 0,
    "4lw.commands.whitelist": "*",
    "extendedTypesEnabled": True,
    "sasl.users": {"bob": "secret"},
    "maxSessionTimeout": 120_000,
}


def serve(servers: int, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    fake = FakeZooKeeper(servers=servers, tls=context, settings=SETTINGS).start()
    fake.load({"/h/big": b"x" * 300_000, "/h/a": b"", "/h/b": b"", "/honest": b""})
    fake.load({f"/h/many/{number:04}": b"" for number in range(2000)})
    calm = fake.snapshot()
    _tell({"ports": [[member.port, member.secure_port] for member in fake.members]})
    for line in sys.stdin:
        if line.strip() == "measure":
            _tell({"memory": _measure(fake, calm), "blocks": sys.getallocatedblocks()})
            continue
        try:
            fake.stop()
            _tell({"failed": None})
        except RuntimeError as error:
            _tell({"failed": f"{error}: {error.__cause__!r}"})
        return


def _measure(fake: FakeZooKeeper, calm: object) -> int:
    """Bytes in use: what the C library keeps for later does not count where it can be told to give
    that back.
    """
    while fake.connections:
        time.sleep(0.01)
    while sessions := fake.sessions:
        for session in sessions:
            with suppress(KeyError):
                fake.expire(session.id)
        time.sleep(0.01)
    fake.restore(calm)  # type: ignore[arg-type]
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
