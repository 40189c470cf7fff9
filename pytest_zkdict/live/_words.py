"""What servers tell in answer to four-letter words: the fake and real ones alike."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["four_letter_word", "is_whole"]


class EnsembleMember(Protocol):
    """A server of an ensemble."""

    @property
    def mode(self) -> str | None:
        """``"leader"``, ``"follower"``, ``"observer"``, ..."""

    @property
    def port(self) -> int: ...


def four_letter_word(host: str, port: int, word: str, timeout: float = 5.0) -> str:
    """Send one of ZooKeeper's four-letter words and return the answer; one connection.

    ``timeout``: seconds for the connection, and for each part of the answer. Raises `OSError` if
    nobody accepts, if the server resets the connection, or after the timeout (`TimeoutError`).
    """
    with socket.create_connection((host, port), timeout=timeout) as connection:
        connection.sendall(word.encode("ascii"))
        answer = bytearray()
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.decode("utf-8", "replace")


def is_whole(members: Sequence[EnsembleMember]) -> bool:
    """Whether one server of an ensemble leads and has all others in sync. One that stood still may
    take itself for the leader, or for its follower, until it notices. Cost: some connections.
    """
    modes = [member.mode for member in members]
    if None in modes or modes.count("leader") != 1:
        return False
    try:
        answer = four_letter_word("127.0.0.1", members[modes.index("leader")].port, "mntr")
    except OSError:
        return False  # it has ended since it told its mode
    found = re.findall(r"^zk_synced_(?:followers|observers)\t(\d+)", answer, re.MULTILINE)
    # Without `mntr` on its whitelist (a caller's choice) the modes have to do.
    return not found or sum(map(int, found)) == len(members) - 1
