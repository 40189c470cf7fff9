"""RedisDict on a real Redis: what its writes promise beside another client and a bad connection."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pytest
import redis
import redis.asyncio
import redis.crc
from redis.backoff import NoBackoff
from redis.retry import Retry

from zkdict import BYTES, TEXT, DecodeError, InvalidKey, Pickle, RedisDict, WriteUncertain
from zkdict import redis as module

from ..support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Told(redis.UnixDomainSocketConnection):
    """A connection that tells before it sends: a command, or the commands of a transaction."""

    sent: ClassVar[list[str]] = []
    before: ClassVar[Callable[[int], None]]
    lost: ClassVar[tuple[int, str]]
    """Which of the next ones is lost with the connection: the "request", or its "reply"."""

    @classmethod
    def anew(cls) -> None:
        cls.sent.clear()
        cls.before, cls.lost = (lambda number: None), (0, "")

    @classmethod
    def calls_at(cls, place: int, call: Callable[[], object]) -> list[object]:
        """Make this call before the request of this number. Returns where its answer will be."""
        answers: list[object] = []
        cls.before = lambda number: answers.append(call()) if number == place else None
        return answers

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        name = b"".join(command).split(b"\r\n")[2].decode()
        if name in ("CLIENT", "HELLO"):  # of a new connection
            super().send_packed_command(command, check_health)
            return
        Told.sent.append(name)
        number = len(Told.sent)
        Told.before(number)
        if Told.lost == (number, "request"):
            raise redis.ConnectionError("the request was lost")
        super().send_packed_command(command, check_health)
        if Told.lost == (number, "reply"):
            super().read_response()  # Redis has done it
            raise redis.ConnectionError("the reply was lost")


class Clients(NamedTuple):
    ours: redis.Redis
    """It tells, and repeats a command three times as redis-py does by default."""
    other: redis.Redis

    def dicts(
        self, begin: dict[str, int], kind: type[RedisDict[int]] = RedisDict
    ) -> tuple[RedisDict[int], RedisDict[int]]:
        """Of both clients, on one hash that holds this."""
        self.other.flushall()
        other = RedisDict[int](self.other, "items")
        other.update(begin)
        Told.anew()
        items = kind(self.ours, "items")
        Told.anew()
        return items, other


@pytest.fixture
def clients(redis_server: RedisServer) -> Iterator[Clients]:
    ours = redis_server.client_over(Told, retry=Retry(NoBackoff(), 3))
    yield Clients(ours, redis_server.client())
    Told.anew()


class Call(NamedTuple):
    method: str
    arguments: tuple[Any, ...] = ()

    def on(self, items: Any) -> Any:
        """What it returns or raises."""
        try:
            return getattr(items, self.method)(*self.arguments)
        except (KeyError, redis.ConnectionError, WriteUncertain) as error:
            return type(error)


BEGINNINGS = ({}, {"a": 0}, {"a": 0, "b": 0})
CALLS = (
    Call("pop", ("a",)),
    Call("pop", ("a", 7)),
    Call("popitem"),
    Call("setdefault", ("a", 1)),
    Call("update", ({"a": 1, "b": 1},)),
    Call("__setitem__", ("a", 1)),
    Call("__delitem__", ("a",)),
    Call("clear"),
)
OTHER_CALLS = (
    Call("pop", ("a",)),
    Call("popitem"),
    Call("setdefault", ("a", 2)),
    Call("update", ({"a": 2, "b": 2},)),
    Call("__setitem__", ("a", 2)),
    Call("__delitem__", ("a",)),
    Call("clear"),
)


REPEATABLE = ("update", "__setitem__", "clear")


def possible(begin: dict[str, int], found: list[tuple[Call, Any]]) -> list[dict[str, int]]:
    """What there can be after calls with these answers, one after the other in any order."""
    ends = []
    for order in itertools.permutations(found):
        model = dict(begin)
        for call, answer in order:
            if call.method == "popitem" and isinstance(answer, tuple):
                if model.pop(answer[0], None) != answer[1]:  # any key, as another may be new
                    break
            elif call.on(model) != answer:
                break
        else:
            ends.append(model)
    return ends


def check_beside_another(clients: Clients, kind: type[RedisDict[int]] = RedisDict) -> int:
    """Another client's call comes before each request of this client's call: both answers, and the
    items, are those of one call after the other. Returns how often it did.
    """
    count = 0
    for begin, ours, theirs in itertools.product(BEGINNINGS, CALLS, OTHER_CALLS):
        for place in itertools.count(1):
            items, other = clients.dicts(begin, kind)
            answers = Told.calls_at(place, lambda: theirs.on(other))  # noqa: B023  called below
            answer = ours.on(items)
            Told.anew()
            if not answers:
                break
            count += 1
            found = [(ours, answer), (theirs, answers[0])]
            assert items.copy() in possible(begin, found), (begin, found, place, items)
            assert other == items
    return count


def check_losses(clients: Clients, kind: type[RedisDict[int]] = RedisDict) -> int:
    """Each request or its reply is lost with the connection: an answer is true, a ConnectionError
    from a call that may not be repeated means that nothing was done, and a WriteUncertain tells
    that it is not known.
    """
    count = 0
    for begin, ours, what in itertools.product(BEGINNINGS, CALLS, ("request", "reply")):
        after = dict(begin)
        expected = ours.on(after)
        for place in itertools.count(1):
            items, other = clients.dicts(begin, kind)
            Told.lost = (place, what)
            answer = ours.on(items)
            if len(Told.sent) < place:
                break
            count += 1
            found = (begin, ours, what, place, answer, other)
            if answer is WriteUncertain:
                assert other in (begin, after), found
            elif answer is redis.ConnectionError and ours.method not in REPEATABLE:
                assert other == begin, found
            elif answer is redis.ConnectionError:  # redis-py 5 repeats no transaction
                assert other in (begin, after), found
            else:
                assert (answer, other) == (expected, after), found
            Told.anew()
            assert items == other
    return count


def test_two_calls_at_once_are_one_after_the_other(clients: Clients) -> None:
    assert check_beside_another(clients) > 300


def test_a_lost_answer_is_told_and_no_value_is_lost(clients: Clients) -> None:
    assert check_losses(clients) > 80


# Mistakes, which the two checks have to find.


class Repeats(RedisDict[int]):
    def _once(self, operation: str, key: str, script: str, *arguments: Any) -> Any:
        return self._raw("EVAL", script, 2, self.keyspace, self._counter, *arguments)


class PopsInTwoSteps(RedisDict[int]):
    def _taken(self, key: str) -> int:
        value = self.durables()[key]
        self._transact("HDEL", self.keyspace, key)
        return value


class SetsDefaultInTwoSteps(RedisDict[int]):
    def _setdefault(self, key: str, default: Any) -> int:
        found = self.durables()
        if key in found:
            return found[key]
        self.persist(key, default)
        return int(default)


class UpdatesInSteps(RedisDict[int]):
    def update(self, other: Any = (), /, **items: int) -> None:
        for key, value in other.items():
            self[key] = value


class DoesNotCount(RedisDict[int]):
    def _transact(self, *command: Any) -> None:
        self.connection.execute_command(*command)


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        (check_losses, Repeats),
        (check_beside_another, PopsInTwoSteps),
        (check_beside_another, SetsDefaultInTwoSteps),
        (check_beside_another, UpdatesInSteps),
        (check_beside_another, DoesNotCount),
    ],
)
def test_a_mistake_is_found(
    clients: Clients, check: Callable[..., int], kind: type[RedisDict[int]]
) -> None:
    with pytest.raises(AssertionError):
        check(clients, kind)


# What each call costs, and how it ends without a server.


def test_requests(clients: Clients) -> None:
    items, other = clients.dicts({"a": 1})

    def sent(call: Callable[[], object]) -> list[str]:
        Told.sent.clear()
        call()
        return list(Told.sent)

    assert sent(lambda: items["a"]) == ["GET"]
    assert sent(lambda: other.update(b=2)) == []
    assert sent(lambda: items["b"]) == ["GET", "HGETALL"]
    assert sent(lambda: items.update(c=3, d=4)) == ["MULTI"]  # and all of it at once
    assert sent(lambda: items.setdefault("e", 5)) == ["WATCH", "EVAL", "UNWATCH"]
    assert sent(lambda: items.pop("e")) == ["HGET", "WATCH", "EVAL", "UNWATCH"]
    assert sent(lambda: items.pop("x", None)) == ["HGET"]
    assert sent(lambda: items.__delitem__("d")) == ["WATCH", "EVAL", "UNWATCH"]
    assert sent(lambda: items.update({})) == []
    assert items.copy() == {"a": 1, "b": 2, "c": 3}
    for whole in (
        items.copy,
        lambda: [*iter(items.items())],  # without iter, list() asks for the length as well
        lambda: [*iter(items.values())],
        lambda: items == other,
    ):
        assert sent(whole) == ["GET"]
    items.autosync = False
    assert sent(lambda: items["a"]) == []


def test_the_counter_tells_of_changes_only(redis_server: RedisServer) -> None:
    items = RedisDict[int](redis_server.client(), "items")
    assert items.last_updated() == 0
    items["a"] = 1
    assert items.last_updated() == 1
    assert items.setdefault("a", 2) == 1
    assert items.pop("x", 0) == 0
    with pytest.raises(KeyError):
        del items["x"]
    assert items.last_updated() == 1
    items.clear()
    assert items.last_updated() == items.sync() == 2
    assert redis_server.client().keys() == [b"itemslast_updated"]


# redis-py 5 leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_without_a_server() -> None:
    with RedisServer() as server:
        items = RedisDict[int](server.client(), "items")
        still = RedisDict[int](server.client(), "items", autosync=False)
        items["a"] = 1
        still.sync()
        server.stop()
        assert still["a"] == 1
        for call in (
            lambda: items["a"],
            lambda: items.pop("a"),
            lambda: items.setdefault("a", 2),
            lambda: items.__delitem__("a"),
            lambda: items.__setitem__("a", 2),
            items.clear,
            still.sync,
            lambda: RedisDict(server.client(), "items"),
        ):
            with pytest.raises(redis.ConnectionError):
                call()
        server.start()  # empty
        assert items == {}
        assert still["a"] == 1
        still.sync()
        assert still == {}


def test_what_is_not_known_is_told(clients: Clients) -> None:
    items, other = clients.dicts({"a": 1})
    Told.lost = (3, "reply")
    with pytest.raises(WriteUncertain) as caught:
        items.pop("a")
    assert str(caught.value) == (
        "no answer came after sending: the pop of the key 'a' may or may not have been applied"
    )
    with pytest.raises(RuntimeError, match="read the key"):
        caught.value.resolve()
    assert other == {}


# Keys, values, clients.


def test_any_text_is_a_key_and_nothing_else(redis_server: RedisServer) -> None:
    items = RedisDict[Any](redis_server.client(), "items")
    for key in ("", "a/b", "\x00", "ü", "😀", "{a}"):
        items[key] = key
    assert RedisDict[Any](redis_server.client(), "items") == items == {key: key for key in items}
    assert len(items) == 6
    wrong: list[Any] = [1, None, b"a", "\ud800"]
    for key in wrong:
        for write in (items.__setitem__, items.setdefault, lambda key, _: items.update({key: 1})):
            with pytest.raises(InvalidKey, match="cannot be a key"):
                write(key, 1)
        assert key not in items
        assert items.pop(key, 7) == 7
        with pytest.raises(KeyError):
            del items[key]
    assert len(items) == 6


def test_a_value_that_does_not_decode_stays(redis_server: RedisServer) -> None:
    client = redis_server.client()
    items = RedisDict[Any](client, "items")
    client.hset("items", "a", b"{")
    client.incr("itemslast_updated")
    for call in (lambda: items["a"], lambda: items.pop("a"), lambda: items.setdefault("a", 1)):
        with pytest.raises(DecodeError, match="the value of 'a' does not decode"):
            call()
    assert client.hget("items", "a") == b"{"
    client.hset("items", b"\xff", b"1")
    client.hdel("items", "a")
    with pytest.raises(DecodeError, match="the field b'\\\\xff', which is not UTF-8"):
        list(items)


@pytest.mark.parametrize("options", [{}, {"decode_responses": True}, {"protocol": 3}])
def test_any_client(redis_server: RedisServer, options: dict[str, Any]) -> None:
    client = redis_server.client(**options)
    items = RedisDict[bytes](client, "items", encoding=BYTES)
    items["a"] = b"\xff"
    assert items.setdefault("b", b"\xfe") == b"\xfe"
    assert items == {"a": b"\xff", "b": b"\xfe"}
    assert items.pop("a") == b"\xff"
    assert items == {"b": b"\xfe"}


def test_a_client_for_asyncio_is_refused(redis_server: RedisServer) -> None:
    client = redis.asyncio.Redis(unix_socket_path=redis_server.path)
    with pytest.raises(TypeError, match="not one for asyncio"):
        RedisDict(client, "items")


def test_one_slot_of_a_cluster(redis_server: RedisServer) -> None:
    RedisDict[int](redis_server.client(), "{items}").update(a=1)
    keys = redis_server.client().keys()
    assert sorted(keys) == [b"{items}", b"{items}last_updated"]
    assert len(set(map(redis.crc.key_slot, keys))) == 1


def test_a_hash_that_msastoragedict_wrote(redis_server: RedisServer) -> None:
    client = redis_server.client()
    client.hset("settings", "exchange_rate", b"gAVLGS4=\n")
    client.incr("settingslast_updated")
    settings_ = RedisDict[Any]("settings", client, encoding=Pickle())
    assert settings_ == {"exchange_rate": 25}
    settings_["language"] = "en-US"
    assert settings_.last_updated() == 2
    assert RedisDict(client, "settings", encoding=TEXT)["exchange_rate"] == "gAVLGS4=\n"


# Without the package.


def test_redis_is_imported_by_who_uses_it_only() -> None:
    program = """if True:
        import sys
        import zkdict
        assert "redis" not in sys.modules
        assert not hasattr(zkdict, "NoSuchName")
        from zkdict import *
        sys.modules["redis"] = None  # as if it were not installed
        from zkdict import RedisDict
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        "ImportError: RedisDict needs the package redis, which is not installed: "
        "pip install 'zkdict[redis]'"
    )


def test_the_old_name() -> None:
    assert module.MSARedisDict is RedisDict
