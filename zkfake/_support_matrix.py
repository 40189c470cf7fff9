"""What the fake supports, as a page of documentation made from the tables it runs on.

``python -m zkfake._support_matrix`` prints the page; with ``--write FILE`` or ``--check FILE`` it
writes it, or says whether it is current (exit status 1 if it is not). Nothing is listed here that
the code does not also look up.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from zkfake._connection import four_letter
from zkfake._protocol.operations import (
    MULTI_READS,
    MULTI_WRITES,
    OPERATIONS,
    Operation,
    OperationKind,
)
from zkfake._protocol.records import Op
from zkfake._settings import NAMES, Settings
from zkfake._versions import DEFAULT, VERSIONS, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_PLACES = {
    OperationKind.WRITE: "leader",
    OperationKind.READ: "connected server",
    OperationKind.CONNECTION: "connection, out of turn",
}


_LEFT_OUT = {
    "The fake does not write ZooKeeper's files; `--data-dir` has a form of its own.": """
        dataDir dataLogDir snapCount autopurge.* forceSync fsync.* preAllocSize digest.enabled
    """,
    "`servers=` and `observers=` say what the ensemble is; every voter weighs the same.": """
        server.N group.N weight.N peerType observerMasterPort standaloneEnabled dynamicConfigFile
    """,
    "`host=`, `port=` and `secure_port=` say where it listens.": """
        clientPort clientPortAddress secureClientPort clientPortListenBacklog
    """,
    "The servers share one process; what comes between them are faults.": """
        cnxTimeout electionAlg leaderServes quorum.*
    """,
    "The `ssl.SSLContext` of `tls=` decides about certificates.": """
        ssl.* sslQuorum portUnification client.portUnification fips-mode
    """,
    "Of SASL there is DIGEST-MD5; `sasl.users` has all passwords.": """
        kerberos.* security.auth_to_local SASLAuthenticationProvider.superPassword
    """,
    "There is no throttling.": """
        globalOutstandingLimit request_throttle_max_requests throttledOpWaitTime
        largeRequestMaxBytes connection_throttle_tokens
    """,
    "There is one thread; other settings that begin with `nio.` are refused, too.": """
        nio.numSelectorThreads nio.numWorkerThreads netty.* serverCnxnFactory commitProcessor.*
        flushDelay maxBatchSize
    """,
    "There is no AdminServer, and nothing that exports metrics.": "admin.* metricsProvider.*",
    "Clients see nothing of them.": """
        watchManagerName maxResponseCacheSize maxGetChildrenResponseCacheSize
        closeSessionTxn.enabled serializeLastProcessedZxid.enabled
    """,
}
"""Why the fake refuses settings of the real server, and which."""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    versions = [VERSIONS[version].name for version in VERSIONS]
    yield "# What zkfake supports"
    yield ""
    yield "Made by `python -m zkfake._support_matrix` from the tables that the fake runs on."
    known = " or ".join(versions)
    yield f'It can be ZooKeeper {known}; `version="{DEFAULT}"` unless told otherwise.'
    yield ""
    yield "## Operations"
    yield ""
    yield from _table(
        ("operation", "code", "carried out by", "in a multi", *versions),
        (
            (
                f"`{row.name}`",
                str(int(row.op)),
                _place(row),
                _in_multi(row.op),
                *("yes" if _has(version, row.op) else "unimplemented" for version in VERSIONS),
            )
            for row in sorted(OPERATIONS.values(), key=lambda row: (row.op < 0, abs(row.op)))
        ),
    )
    yield ""
    yield "Every other code is answered as unimplemented, and the connection closed."
    yield ""
    yield "## Where the versions differ"
    yield ""
    documented = _field_docs(Version)
    yield from _table(
        ("", *versions),
        (
            (documented[field.name], *_per_version(field.name))
            for field in dataclasses.fields(Version)
            if field.type in ("bool", bool) and len(set(_per_version(field.name))) > 1
        ),
    )
    yield ""
    yield "## Four-letter words"
    yield ""
    yield ", ".join(f"`{word.decode()}`" for word in sorted(four_letter.WORDS)) + "."
    yield (
        "A server answers those of `4lw.commands.whitelist`, `srvr` always, and `isro` where "
        "`readonlymode.enabled` is true."
    )
    yield ""
    yield "## Settings"
    yield ""
    yield "By their names in `zoo.cfg`, or the system property's without `zookeeper.`."
    yield ""
    documented = _field_docs(Settings)
    yield from _table(
        ("setting", "default", "meaning"),
        (
            (f"`{name}`", _default(field), documented[field])
            for name, (field, _) in sorted(NAMES.items(), key=lambda item: item[0].lower())
        ),
    )
    yield ""
    yield "## Settings that it does not take"
    yield ""
    yield from _table(
        ("settings", "why"),
        (
            (", ".join(f"`{name}`" for name in names.split()), reason)
            for reason, names in _LEFT_OUT.items()
        ),
    )


def _place(row: Operation) -> str:
    """Where an operation is carried out."""
    if row.op is Op.SYNC:
        return "connected server, once the leader has answered it"
    return _PLACES[row.kind]


def _in_multi(op: Op) -> str:
    if op in MULTI_WRITES:
        return "`multi`"
    return "`multiRead`" if op in MULTI_READS else ""


def _has(version: str, op: Op) -> bool:
    return op is not Op.CHECK or VERSIONS[version].check_is_an_operation


def _per_version(field: str) -> list[str]:
    return ["yes" if getattr(version, field) else "no" for version in VERSIONS.values()]


def _default(field: str) -> str:
    value = getattr(Settings(), field)
    if isinstance(value, (frozenset, tuple)):
        value = ",".join(sorted(value)) or None
    if isinstance(value, bool):
        value = str(value).lower()
    return "none" if value is None else f"`{value}`"


def _field_docs(class_: type) -> dict[str, str]:
    """The docstring under each field of a dataclass, in one line."""
    found: dict[str, str] = {}
    body = ast.parse(textwrap.dedent(inspect.getsource(class_))).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            line = " ".join(str(text.value.value).split())
            found[field.target.id] = line.removesuffix(".").replace("``", "`")
    return found


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m zkfake._support_matrix")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page there")
    parser.add_argument("--check", type=Path, metavar="FILE", help="fail unless FILE is current")
    options = parser.parse_args(arguments)
    text = page()
    if options.write:
        options.write.write_text(text, "utf-8")
    elif options.check:
        if options.check.read_text("utf-8") != text:
            command = f"python -m zkfake._support_matrix --write {options.check}"
            print(f"{options.check} is not current; run: {command}", file=sys.stderr)
            return 1
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
