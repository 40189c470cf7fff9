"""Which calls can have made the same ephemeral key, against all that is to be known of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kazoo.exceptions import BadVersionError, NodeExistsError

from zkdict import WriteUncertain, ZooKeeperDict
from zkdict._writes.claims import Claim, _claims_of
from zkdict.errors import TransactionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from kazoo.client import KazooClient


class Client:
    """What a claim wants of one."""

    def __init__(self) -> None:
        self.handler = SimpleNamespace(lock_object=threading.Lock)
        self.client_id: tuple[int, bytes] | None = (1, b"")


@dataclass
class Known:
    """A claim, and all that is to be known of it."""

    claim: Claim
    session: int | None
    path: str
    begun: int
    settled: float = field(default=float("inf"))

    def excludes(self, other: Known) -> bool:
        """Whether this one can have made what the other asked for, while that was open."""
        same = None in (self.session, other.session) or (
            (self.session, self.path) == (other.session, other.path)
        )
        return same and self.begun < other.settled and other.begun < self.settled


PATHS = st.sampled_from(["/a", "/b"])
STEPS = st.lists(
    st.tuples(st.just("begin"), PATHS)
    | st.tuples(st.just("begin unknown"), PATHS)
    | st.tuples(st.just("settle"), st.integers(0, 20))
    | st.tuples(st.just("lose the session"), st.none()),
    max_size=20,
)


@given(STEPS)
def test_alone_is_who_has_no_rival(steps: list[tuple[str, Any]]) -> None:
    client, session = Client(), 1
    claims: list[Known] = []
    for now, (step, what) in enumerate(steps):
        if step.startswith("begin"):
            client.client_id = None if "unknown" in step else (session, b"")
            claim = Claim(client, what)
            claim.begin()
            claims.append(Known(claim, claim.session, what, now))
        elif step == "settle" and claims:
            known = claims[what % len(claims)]
            known.claim.settle()
            known.settled = min(known.settled, now)
        elif step == "lose the session":
            session += 1
        for known in claims:
            rivals = [each for each in claims if each is not known and each.excludes(known)]
            if known.session is not None:  # else nobody asks
                assert known.claim.alone() == (not rivals)
    if claims:
        assert len(_claims_of[client].asked) <= 2


def test_what_is_never_decided_is_counted() -> None:
    client = Client()
    for session in range(1, 4):
        client.client_id = (session, b"")
        for _ in range(1000):
            Claim(client, "/a").begin()
    known = _claims_of[client]
    assert list(known.asked) == ["/a"]
    assert known.asked["/a"].open == 1000


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (NodeExistsError(), 0),
        (TransactionFailed(0, BadVersionError()), 0),
        (KeyboardInterrupt(), 1),
    ],
    ids=lambda case: type(case).__name__,
)
def test_an_answer_settles_it(error: BaseException, left: int) -> None:
    client = Client()

    def send() -> None:
        with Claim(client, "/a") as claim:
            claim.begin()
            raise error

    with pytest.raises(type(error)):
        send()
    assert len(_claims_of[client].asked) == left


def test_a_conflict_is_no_rival_for_ever(
    proxy: Any,
    client_behind: Callable[..., KazooClient],
    zk_client: KazooClient,
    open_dict: Callable[..., ZooKeeperDict[Any]],
    hold_callbacks: Any,
) -> None:
    """An ephemeral put that was tried again, and one whose answer is lost."""
    client = client_behind(proxy, timeout=30.0)
    items = open_dict(client, max_staleness=0.05)
    items["a"] = 1
    with hold_callbacks(client):
        zk_client.set("/dict/a", b"2")
        thread = threading.Thread(target=lambda: items.put("a", 3, ephemeral=True))
        thread.start()
        while not items._writer.conflicts:
            thread.join(0.01)
    thread.join(60)
    assert items["a"] == 3
    items.remove("a")
    proxy.lose("create", "reply")
    with pytest.raises(WriteUncertain) as caught:
        items.put("a", 4, ephemeral=True)
    assert caught.value.resolve(timeout=60) is True
