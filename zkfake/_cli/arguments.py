"""The options that several commands have, and how they are parsed."""

from __future__ import annotations

import argparse
import ipaddress
import socket
from contextlib import suppress
from difflib import get_close_matches
from importlib import metadata
from typing import Any, NoReturn

from zkfake._cli.process import REFUSED

__all__ = ["Parser", "address", "in_a_row", "is_loopback", "own_version", "port"]


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage."""

    refused = REFUSED
    """The exit status of an error."""

    def error(self, message: str) -> NoReturn:
        """Ends the program."""
        self.exit(self.refused, f"{self.prog}: {message}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuses what it does not know. argparse leaves that to the parser of all commands, which
        does not know the options of this one.
        """
        found, left = super().parse_known_args(args, namespace)
        if left:
            name = left[0].partition("=")[0]
            close = get_close_matches(name, self._option_string_actions, 1)
            hint = f" (did you mean {close[0]}?)" if close and name[:1] == "-" else ""
            self.error(f"unrecognized arguments: {' '.join(left)}{hint}")
        return found, left


def address(text: str) -> str:
    """An address to listen on."""
    if not text:
        raise argparse.ArgumentTypeError("expected an address, such as 127.0.0.1")
    return text


def port(text: str) -> int:
    """A port to listen on, or 0."""
    if text.isdecimal() and int(text) <= 0xFFFF:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected 0 to 65535")


def in_a_row(first: int, count: int) -> list[int]:
    """As many ports, from ``first`` on; all 0 where that is 0."""
    return [first + number if first else 0 for number in range(count)]


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a listening address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    with suppress(OSError):
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return all(ipaddress.ip_address(each[0]).is_loopback for *_, each in found)
    return True  # there is no such host, which is told when it comes to listening


def own_version() -> str:
    """The version of the distribution."""
    try:
        return metadata.version("zkdict")
    except metadata.PackageNotFoundError:  # run from its sources
        return "(not installed)"
