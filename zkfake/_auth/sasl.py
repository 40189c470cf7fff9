"""SASL DIGEST-MD5, the server's side: the mechanism of ``DigestLoginModule`` users.

One exchange for one connection, carried by the ``sasl`` operation:

- The client's first token is ignored, whatever it holds; the answer is the challenge.
- Its second token is the digest response. Where it proves the password, the answer holds the
  server's own proof and the connection has the identity ``("sasl", user)`` from then on. Super
  users are in `zkfake._auth.providers`.
- Anything else, and any token after the exchange is over, fails: the server replies AuthFailed with
  a null token and zxid 0, and closes the connection.

Algorithm: RFC 2831, quality of protection ``auth`` only. As on the real server, the nonce count in
a response is not checked (a nonce is valid for one exchange), and an authorization id is hashed but
changes nothing.
"""

import re
from collections.abc import Mapping
from hashlib import md5

__all__ = ["DigestMd5", "SaslError"]

REALM = "zk-sasl-md5"
SERVICE = "zookeeper"
_NONCE_COUNT = "00000001"
# No two adjacent parts match the same characters: otherwise the time for a long invalid token would
# grow with the square of its length.
_DIRECTIVE = re.compile(
    rb'([\w-]+)\s*=\s*(?:(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*)?(?:,|$)', re.DOTALL
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_REQUIRED = ("username", "realm", "nonce", "cnonce", "nc", "digest-uri", "response")


class SaslError(Exception):
    """The exchange failed. The text says why; the client is not told."""


class DigestMd5:
    """One exchange. ``user``: the user that has authenticated, None until then."""

    __slots__ = ("_nonce", "_step", "_users", "user")

    def __init__(self, users: Mapping[str, str], nonce: str) -> None:
        """``users``: user name to password. ``nonce``: new and unguessable for each exchange.

        The real server's nonce is the 40 base64 characters of 30 random bytes.
        """
        self._users = users
        self._nonce = nonce
        self._step = 0
        self.user: str | None = None

    def respond(self, token: bytes) -> bytes:
        """The server's answer to the client's next token.

        Raises `SaslError`; the exchange is over then.
        """
        self._step += 1
        if self._step == 1:
            return (
                f'realm="{REALM}",nonce="{self._nonce}",charset=utf-8,algorithm=md5-sess'
            ).encode()
        if self._step == 2:
            return self._verify(token)
        raise SaslError("the exchange is over")

    def _verify(self, token: bytes) -> bytes:
        given = _directives(token)
        missing = [name for name in _REQUIRED if name not in given]
        if missing:
            raise SaslError(f"the response lacks {', '.join(missing)}")
        expected = {"realm": REALM, "nonce": self._nonce, "qop": "auth"}
        for name, value in expected.items():
            if given.get(name, value) != value:
                raise SaslError(f"{name} is {given[name]!r}, expected {value!r}")
        uri = given["digest-uri"]
        if uri.lower() != f"{SERVICE}/{REALM}":
            raise SaslError(f"digest-uri {uri!r} names another service")
        user = given["username"]
        password = self._users.get(user)
        if password is None:
            raise SaslError(f"user {user!r} is not known")
        secret = _session_secret(given, password, self._nonce)
        if given["response"] != _proof(secret, given, self._nonce, f"AUTHENTICATE:{uri}"):
            raise SaslError(f"wrong password for {user!r}")
        self.user = user
        return b"rspauth=" + _proof(secret, given, self._nonce, f":{uri}").encode()


def _directives(token: bytes) -> dict[str, str]:
    """Raises `SaslError` where the text is not a list of directives, or has one twice."""
    raw: dict[str, bytes] = {}
    position = 0
    token = token.strip(b", \t\r\n")
    while position < len(token):
        match = _DIRECTIVE.match(token, position)
        if match is None:
            raise SaslError("the response is not a list of directives")
        name = match[1].decode("ascii").lower()
        if name in raw:
            raise SaslError(f"the response has {name} twice")
        raw[name] = match[3] or b"" if match[2] is None else _ESCAPE.sub(rb"\1", match[2])
        position = match.end()
        while token[position : position + 1] in (b" ", b","):
            position += 1
    encoding = "utf-8" if raw.get("charset", b"").lower() == b"utf-8" else "latin-1"
    return {name: value.decode(encoding, "replace") for name, value in raw.items()}


def _session_secret(given: Mapping[str, str], password: str, nonce: str) -> str:
    """The hash that stands for user, password and this exchange (``H(A1)`` in the RFC)."""
    login = md5(_octets(f"{given['username']}:{REALM}:{password}"), usedforsecurity=False).digest()
    rest = f":{nonce}:{given['cnonce']}"
    if "authzid" in given:
        rest += f":{given['authzid']}"
    return md5(login + rest.encode(), usedforsecurity=False).hexdigest()


def _proof(secret: str, given: Mapping[str, str], nonce: str, what: str) -> str:
    hashed = md5(what.encode(), usedforsecurity=False).hexdigest()
    text = f"{secret}:{nonce}:{_NONCE_COUNT}:{given['cnonce']}:auth:{hashed}"
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _octets(text: str) -> bytes:
    """In Latin-1 if it can encode the text, else in UTF-8: the RFC's rule for what is hashed."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
