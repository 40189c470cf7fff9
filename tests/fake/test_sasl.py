"""DIGEST-MD5 against a client that is not ours, and against everything a response may get wrong."""

import re
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkfake._auth.sasl import DigestMd5, SaslError, _directives

USERS = {"jaasuser": "jaas_password", "super": "super_secret"}
NONCE = "XhZmlnC8MGo1VMYOoKWiFT+cBVt7n5nqUOWNNFY3"
# Recorded between pure-sasl and a ZooKeeper 3.9.5 server.
RESPONSE = (
    b'qop=auth,realm="zk-sasl-md5",username="jaasuser",'
    b'nonce="XhZmlnC8MGo1VMYOoKWiFT+cBVt7n5nqUOWNNFY3",cnonce="0879056456964783",nc=00000001,'
    b'digest-uri="zookeeper/zk-sasl-md5",response=0a7b6107a50de8e36eb5a1f8c7ef2d06'
)
PROOF = b"rspauth=4781536f26153ecef0e4239fcc90cf1d"


def exchange() -> DigestMd5:
    server = DigestMd5(USERS, NONCE)
    server.respond(b"")
    return server


def test_challenge_is_the_real_servers() -> None:
    expected = f'realm="zk-sasl-md5",nonce="{NONCE}",charset=utf-8,algorithm=md5-sess'.encode()
    assert DigestMd5(USERS, NONCE).respond(b"") == expected
    assert DigestMd5(USERS, NONCE).respond(b"junk") == expected


def test_recorded_exchange() -> None:
    server = exchange()
    assert server.user is None
    assert server.respond(RESPONSE) == PROOF
    assert server.user == "jaasuser"


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        pytest.param(rb"nc=00000001", rb"nc=00000002", id="nonce count"),
        pytest.param(rb"qop=auth,", rb"", id="qop left out"),
        pytest.param(rb"$", rb",foo=bar", id="unknown directive"),
        pytest.param(rb"^", rb"charset=utf-8, ", id="charset"),
    ],
)
def test_what_the_real_server_lets_pass(pattern: bytes, replacement: bytes) -> None:
    assert exchange().respond(re.sub(pattern, replacement, RESPONSE, count=1)) == PROOF


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        pytest.param(rb'realm="[^"]*",', rb"", id="no realm"),
        pytest.param(rb"zk-sasl-md5", rb"other", id="other realm"),
        pytest.param(rb'nonce="Xh', rb'nonce="aa', id="other nonce"),
        pytest.param(rb"digest-uri=.zookeeper", rb'digest-uri="imap', id="other service"),
        pytest.param(rb"/zk-sasl-md5", rb"/other", id="other host"),
        pytest.param(rb"jaasuser", rb"nobody", id="unknown user"),
        pytest.param(rb"jaasuser", rb"super", id="another user's response"),
        pytest.param(rb"response=0a", rb"response=0b", id="wrong response"),
        pytest.param(rb"qop=auth", rb"qop=auth-int", id="integrity"),
        pytest.param(rb"$", rb',authzid="super"', id="authzid that was not hashed"),
        pytest.param(rb"$", rb',username="jaasuser"', id="directive twice"),
        pytest.param(rb".*", rb"", id="empty"),
        pytest.param(rb".*", rb"junk", id="junk"),
    ],
)
def test_what_the_real_server_refuses(pattern: bytes, replacement: bytes) -> None:
    server = exchange()
    with pytest.raises(SaslError):
        server.respond(re.sub(pattern, replacement, RESPONSE, count=1))
    assert server.user is None


def test_exchange_ends_with_the_first_response() -> None:
    server = exchange()
    server.respond(RESPONSE)
    with pytest.raises(SaslError):
        server.respond(b"")
    failed = exchange()
    with pytest.raises(SaslError):
        failed.respond(b"junk")
    with pytest.raises(SaslError):
        failed.respond(RESPONSE)


@given(st.binary())
def test_no_bytes_do_harm(token: bytes) -> None:
    server = exchange()
    with pytest.raises(SaslError):
        server.respond(token)


@pytest.mark.parametrize(("user", "password"), sorted(USERS.items()))
def test_with_pure_sasl(user: str, password: str) -> None:
    client_module = pytest.importorskip("puresasl.client", reason="pure-sasl is not installed")

    def client(with_password: str) -> object:
        return client_module.SASLClient(
            host="zk-sasl-md5",
            service="zookeeper",
            mechanism="DIGEST-MD5",
            username=user,
            password=with_password,
        )

    server, right = DigestMd5(USERS, NONCE), client(password)
    server.respond(right.process(challenge=server.respond(b"")))  # type: ignore[attr-defined]
    assert server.user == user

    server, wrong = DigestMd5(USERS, NONCE), client(password + "x")
    with pytest.raises(SaslError):
        server.respond(wrong.process(challenge=server.respond(b"")))  # type: ignore[attr-defined]


def parsing(token: bytes) -> float:
    """Seconds that a token takes; whether it is good does not matter."""
    server = exchange()
    start = time.perf_counter()
    with suppress(SaslError):
        server.respond(token)
    return time.perf_counter() - start


@pytest.mark.parametrize(
    ("start", "middle", "end"),
    [
        (b"a=", b" ", b'"'),
        (b"a=", b"\t", b";\0"),
        (b"a", b" ", b"b"),
        (b"", b"a", b""),
        (b"a=b", b" ", b"c"),
        (b"a=", b"b", b" c"),
        (b'a="', b"b", b""),
        (b'a="', b"\\", b""),
        (b'a="', b'\\"', b""),
        (b'a="b"', b" ", b"c"),
        (b"a=b", b",", b"c"),
    ],
)
def test_a_long_token_takes_no_longer_than_a_good_one(
    start: bytes, middle: bytes, end: bytes
) -> None:
    """Nobody has proved anything yet, and everybody else waits meanwhile."""
    size = 100_000
    good = b",".join(b'name-%d="value"' % number for number in range(size // 20))
    bad = start + middle * (size // len(middle)) + end
    bad_time, good_time = (min(parsing(each) for _ in range(3)) for each in (bad, good))
    assert bad_time < 50 * good_time


def test_directives_without_a_value() -> None:
    assert _directives(b'a=, b="",c= ,d=x ,  e=" "') == {
        "a": "",
        "b": "",
        "c": "",
        "d": "x",
        "e": " ",
    }
