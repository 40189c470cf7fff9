"""A server that answers nonsense: bad lengths, wrong types, text that is not UTF-8, unknown errors.

A reply of one kind is spoilt on its way to one client, and nothing else. Whatever the dict raises
then is its own exception or kazoo's, and one which says that nothing was written says the truth.
(What is well-formed is believed: nobody can tell a lie from an answer.)
"""

from __future__ import annotations

import contextlib
import logging
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kazoo.exceptions import KazooException
from kazoo.protocol.states import KeeperState

from zkdict import State, VersionConflict, WriteUncertain, ZkDictError, ZooKeeperDict
from zkfake._channel.channel import Stream
from zkfake._channel.rules import ChannelRequest
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEADER = 16  # bytes: xid, zxid, error
READ = ["exists", "getData", "getChildren2", "sync"]


def cut(share: float) -> Any:
    return lambda payload: payload[: HEADER + int(share * (len(payload) - HEADER))]


def other_body(body: bytes) -> Any:
    return lambda payload: payload[:HEADER] + body


def longer(more: bytes) -> Any:
    return lambda payload: payload + more


def with_number(place: float, number: int) -> Any:
    """Another number in the body, where an int may be."""

    def spoil(payload: bytes) -> bytes:
        at = HEADER + int(place * max(0, len(payload) - HEADER - 4))
        return payload[:at] + struct.pack(">i", number) + payload[at + 4 :]

    return spoil


def with_error(code: int) -> Any:
    return lambda payload: payload[:12] + struct.pack(">i", code) + payload[HEADER:]


def shorter_head(length: int) -> Any:
    return lambda payload: payload[:length]


def other_xid(more: int) -> Any:
    return lambda payload: (
        struct.pack(">i", struct.unpack_from(">i", payload)[0] + more) + payload[4:]
    )


STAT = bytes(68)
NEGATIVE = struct.pack(">i", -1)
whole = [  # bodies that kazoo reads, into something that no caller expects
    NEGATIVE,  # children: a list without a Stat
    struct.pack(">i", 1) + NEGATIVE + STAT,  # children: one without a name
    struct.pack(">i", 2) + (struct.pack(">i", 1) + b"a") * 2 + STAT,  # children: one twice
    struct.pack(">iBi", -1, 1, -1),  # multi: no answer
    struct.pack(">iBi", 13, 0, 0) * 9 + struct.pack(">iBi", -1, 1, -1),  # multi: too many
    (struct.pack(">iBi", -1, 0, 0) + bytes(4)) * 2 + struct.pack(">iBi", -1, 1, -1),  # no reason
    NEGATIVE + STAT,  # data: null
]

spoilt = st.one_of(
    st.builds(other_body, st.sampled_from(whole)),
    st.builds(cut, st.floats(0, 0.99)),
    st.builds(other_body, st.binary(max_size=80)),
    st.builds(other_body, st.binary(min_size=68, max_size=68)),
    st.builds(longer, st.binary(min_size=1, max_size=8)),
    st.builds(with_number, st.floats(0, 1), st.sampled_from([-1, -2, 1, 255, 2**31 - 1, -(2**31)])),
    st.builds(with_error, st.sampled_from([1, 7, -999, 2**31 - 1, -(2**31)])),  # no such errors
    st.builds(shorter_head, st.integers(0, HEADER - 1)),
    st.builds(other_xid, st.integers(1, 5)),
)


class Tampering:
    """Spoils replies to one client's requests of one kind, after the first `spare` of them."""

    def __init__(self, patch: pytest.MonkeyPatch, client: str) -> None:
        self.operation = ""
        self.spare = self.times = self.struck = 0
        self.spoil: Callable[[bytes], bytes] = bytes
        send = Stream.send

        def tamper(stream: Stream, data: bytes, tag: Any = None) -> None:
            if (
                isinstance(tag, ChannelRequest)
                and stream is tag.channel.downstream
                and tag.channel.client == client
                and tag.head.operation == self.operation
            ):
                self.spare -= 1
                if self.spare < 0 and self.struck < self.times:
                    self.struck += 1
                    payload = self.spoil(data[4:])
                    data = struct.pack(">i", len(payload)) + payload
            send(stream, data, tag)

        patch.setattr(Stream, "send", tamper)


Dict = ZooKeeperDict[Any]


def transfer(items: Dict) -> None:
    with items.transaction() as txn:
        txn["a"] = txn["b"]
        del txn["b"]


WRITES: dict[str, tuple[str, Callable[[Dict], object]]] = {
    "set": ("setData", lambda d: d.__setitem__("a", "mine")),
    "new": ("create2", lambda d: d.__setitem__("new", "mine")),
    "del": ("delete", lambda d: d.__delitem__("a")),
    "add": ("create2", lambda d: d.add("new", "mine")),
    "setdefault": ("create2", lambda d: d.setdefault("new", "mine")),
    "put": ("setData", lambda d: d.put("a", "mine", version=0)),
    "put ephemeral": ("multi", lambda d: d.put("a", "mine", ephemeral=True)),
    "cas": ("setData", lambda d: d.cas(d.entry("a"), "mine")),
    "modify": ("setData", lambda d: d.modify("a", lambda old: f"{old} and mine")),
    "pop": ("multi", lambda d: d.pop("a")),
    "popitem": ("multi", lambda d: d.popitem()),
    "remove": ("multi", lambda d: d.remove("a", version=0)),
    "update": ("multi", lambda d: d.update(a="mine", new="mine")),
    "clear": ("multi", lambda d: d.clear()),
    "replace_all": ("multi", lambda d: d.replace_all({"new": "mine"})),
    "transaction": ("multi", transfer),
    "atomically": ("multi", lambda d: d.atomically(lambda txn: txn.pop("a"))),
}
"""What writes, and the request that it makes."""
READS: dict[str, Callable[[Dict], object]] = {
    "get": lambda d: d.get("a"),
    "snapshot": lambda d: d.snapshot().copy(),
    "items": lambda d: list(d.items()),
    "entry": lambda d: d.entry("a"),
    "raw": lambda d: d.raw("a"),
    "bad keys": lambda d: dict(d.bad_keys),
    "fetch": lambda d: d.fetch("a"),
    "fetch, synced": lambda d: d.fetch("a", sync=True),
    "sync": lambda d: d.sync(timeout=60),
    "wait_until": lambda d: d.wait_until(d.zxid, timeout=60),
}


@contextlib.contextmanager
def no_callback_fails() -> Iterator[None]:
    """No callback of kazoo's raises anything: it would be logged, and a change be missed."""
    failed: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = failed.append  # type: ignore[assignment]
    logger = logging.getLogger("zkfake.simulation")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert not failed, failed[0].exc_info


def run(
    write: Callable[[Dict], object],
    operation: str,
    spare: int,
    times: int,
    spoil: Callable[[bytes], bytes],
) -> int:
    """Tamper while a dict is used; how many replies were spoilt."""
    with pytest.MonkeyPatch.context() as patch, no_callback_fails(), Simulation() as sim:
        tampering = Tampering(patch, "victim")
        honest = sim.client()
        honest.ensure_path("/app")
        for key in "ab":
            honest.create(f"/app/{key}", b'"old"')

        def znodes() -> dict[str, Any]:
            names = sorted(honest.get_children("/app"))
            return {name: honest.get(f"/app/{name}") for name in names}

        client = sim.client("victim")
        with Dict(client, "/app", write_timeout=30.0) as items:
            before = znodes()
            tampering.operation, tampering.spare, tampering.times = operation, spare, times
            tampering.spoil = spoil
            uncertain: WriteUncertain | None = None
            try:
                write(items)
            except WriteUncertain as error:
                uncertain = error
            except (ZkDictError, KazooException, KeyError) as error:
                if not (isinstance(error, VersionConflict) and error.applied):
                    assert znodes() == before
            after = znodes()
            for read in READS.values():
                try:
                    read(items)
                except (ZkDictError, KazooException, KeyError):  # noqa: PERF203
                    continue
            tampering.times = 0
            if client.client_state == KeeperState.CLOSED:  # kazoo has given up
                client.start()
            sim.faults.drop(client)
            sim.settle()
            items.sync(timeout=60)
            assert {key: items.raw(key) for key in items} == {
                key: raw for key, (raw, _) in znodes().items()
            }
            if uncertain is not None and operation not in READ:  # a false zxid is believed
                with contextlib.suppress(WriteUncertain):
                    assert uncertain.resolve(timeout=60) is (after != before)
        return tampering.struck


@pytest.mark.parametrize("operation", READ)
@pytest.mark.parametrize("spoil", [cut(0.3), with_error(-999)], ids=["cut", "unknown error"])
def test_a_read_is_made_again_after_nonsense(operation: str, spoil: Any) -> None:
    with pytest.MonkeyPatch.context() as patch, no_callback_fails(), Simulation() as sim:
        tampering = Tampering(patch, "victim")
        honest, client = sim.client(), sim.client("victim")
        with Dict(client, "/app") as items:
            tampering.operation, tampering.times, tampering.spoil = operation, 3, spoil
            for number in range(3):
                honest.create(f"/app/{number}", b"1")
                sim.sleep(1)
                if client.client_state == KeeperState.CLOSED:  # kazoo has given up
                    client.start()
            sim.run_until(lambda: items.state is State.LIVE and len(items) == 3)
            assert items.copy() == {"0": 1, "1": 1, "2": 1}


def test_a_call_without_a_timeout_goes_on_with_the_next_session() -> None:
    """kazoo's connection dies of an error that it does not know, and forgets the request."""
    with pytest.MonkeyPatch.context() as patch, Simulation() as sim:
        tampering = Tampering(patch, "victim")
        client = sim.client("victim")
        with Dict(client, "/app") as items:
            tampering.operation, tampering.times = "multi", 1
            tampering.spoil = with_error(1)
            task = sim.spawn(items.sync)
            sim.run_until(lambda: client.client_state == KeeperState.CLOSED)
            client.start()
            assert task.result(timeout=60) >= 0
            assert tampering.struck


@settings(max_examples=200)
@given(
    write=st.sampled_from(sorted(WRITES)),
    op=st.none() | st.sampled_from(READ),
    spare=st.integers(0, 2),
    times=st.sampled_from([1, 2, 1000]),
    spoil=spoilt,
)
def test_nonsense_is_no_error_of_pythons(
    write: str, op: str | None, spare: int, times: int, spoil: Any
) -> None:
    """Spoilt is the reply to the write itself, or to a read."""
    request, function = WRITES[write]
    run(function, op or request, spare if op else 0, times, spoil)
