"""Runs programs on a fake and on somebody else's server, and keeps what differs.

Rules that live here:

- A program works on one server, so that what it is shown does not depend on how far another one is.
  Its seed decides which, so all servers have their turn.
- The fake is a new one for each program. On the other side the program's root is new; it is deleted
  behind it, whatever has happened.
- Behind a known difference a program goes on, unless the servers are apart.
- A difference is run again before it is told, and then made small. What is not seen again is told
  as that: somebody else, or the time, may have had a hand in it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkfake._compare import wire
from zkfake._compare.channels import RawChannel, SilenceError, SocketChannel
from zkfake._compare.core import CoreServer
from zkfake._compare.differences import AnswerDifference, KnownDifferences, differences
from zkfake._compare.drawing import CREDENTIAL, program
from zkfake._compare.driver import DivergenceError, Pair
from zkfake._compare.numbered import NumberedMapping
from zkfake._compare.shrink import Program, shrink
from zkfake._compare.side import Side
from zkfake._compare.steward import RefusedError, Steward
from zkfake._compare.telling import answers, program_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkfake._compare.side import Seen, Server

__all__ = ["BrokenOffError", "Comparison", "FoundDifference"]

_RUNS, _SECONDS = 150, 30.0
"""As often, and as long, a program is run at most to make it small: the server may be far away."""


class BrokenOffError(Exception):
    """It cannot go on: a server does not do what everything else needs, or is gone."""


@dataclass
class FoundDifference:
    """A difference, and the program that shows it."""

    line: str
    seed: int
    """Of the first program that has shown it."""
    again: bool
    """Whether it was seen again."""
    program: list[str]
    """What is left of that program, in words."""
    fake_answers: list[str]
    server_answers: list[str]
    programs: int = 1
    """How many have ended with it."""


@dataclass
class Figures:
    """How much was compared."""

    programs: int = 0
    steps: int = 0
    answers: int = 0
    known: int = 0
    """Known differences, each time they were met."""
    seconds: float = 0.0
    found: dict[str, FoundDifference] = field(default_factory=dict)


class Comparison:
    """Programs of one length, on one fake and servers that are one ZooKeeper."""

    def __init__(
        self,
        servers: Sequence[tuple[str, int]],
        room: str,
        *,
        version: str,
        known: KnownDifferences,
        auth: Sequence[tuple[str, str]] = (),
        patience: float = 5.0,
        tell: Callable[[FoundDifference], object] = id,
    ) -> None:
        """``room``: the path of a znode that does not exist; it is made, and deleted at the end.
        ``version``: of the fake. ``auth``: what the steward needs to make it. ``patience``: seconds
        after which a server that says nothing is taken to be silent. ``tell``: called with each
        difference, once, when it is found.
        """
        self._servers = servers
        self._room = room
        self._root = f"{room}/t"
        self._known = known
        self._auth = auth
        self._patience = patience
        self._version = version
        self._tell = tell
        self.made = False
        """Whether the room was made."""
        self.figures = Figures()

    def run(
        self, seeds: Sequence[int], length: int, is_over: Callable[[], bool] = lambda: False
    ) -> Figures:
        """A program of ``length`` steps for each seed, until ``is_over()``. Raises `OSError` and
        `BrokenOffError`.
        """
        start = time.monotonic()
        try:
            with self._steward(self._servers[0]) as steward:
                steward.make(self._room)
            self.made = True
            try:
                for seed in seeds:
                    if is_over():
                        break
                    self._one(seed, length, is_over)
            except BaseException:
                with suppress(OSError, RefusedError):  # what went wrong first is told
                    self._remove(self._servers[0], self._room)
                raise
            self._remove(self._servers[0], self._room)
        except RefusedError as error:
            raise BrokenOffError(str(error)) from None
        self.figures.seconds = time.monotonic() - start
        return self.figures

    def _steward(self, address: tuple[str, int]) -> Steward:
        return Steward(_Foreign(address, self._patience).channel(), self._auth)

    def _remove(self, address: tuple[str, int], path: str) -> None:
        with self._steward(address) as steward:
            steward.remove(path)

    def _one(self, seed: int, length: int, is_over: Callable[[], bool]) -> None:
        figures = self.figures
        address = self._servers[seed % len(self._servers)]
        steps = program(seed, length, self._root)
        pair = self._pair(address)
        shown = self._shown(pair, address, steps)
        figures.programs += 1
        figures.steps += pair.steps
        figures.answers += pair.frames
        figures.known += pair.known
        if shown is None:
            return
        line = shown.difference.line
        if line in figures.found:
            figures.found[line].programs += 1
            return
        last, small, again = self._small(address, steps, shown, is_over)
        told = [
            answers(name, last.seen(number), last.difference.same, self._root)
            for number, name in enumerate(last.names)
        ]
        lines = program_lines(small, self._root)
        figures.found[line] = FoundDifference(line, seed, again, lines, told[0], told[1])
        self._tell(figures.found[line])

    def _small(
        self,
        address: tuple[str, int],
        steps: Program,
        shown: _Shown,
        is_over: Callable[[], bool],
    ) -> tuple[_Shown, Program, bool]:
        """What the program shows at last, what is left of it, and whether it was shown again."""
        runs, last = 0, shown
        end = time.monotonic() + _SECONDS

        def fails(candidate: Program) -> bool:
            nonlocal runs, last
            runs += 1
            if runs > 1 and (runs > _RUNS or time.monotonic() > end or is_over()):
                return False
            found = self._shown(self._pair(address), address, candidate)
            if found is None or found.difference.line != shown.difference.line:
                return False
            last = found
            return True

        if not fails(steps):
            return shown, steps, False
        small = shrink(steps, fails)
        return last, small, True

    def _pair(self, address: tuple[str, int]) -> _Comparing:
        def side(server: Server) -> Side:
            return Side(server, self._root, CREDENTIAL, mapping=NumberedMapping())

        return _Comparing(
            lambda: side(self._prepared_fake()),
            lambda: side(_Foreign(address, self._patience)),
            self._known,
        )

    def _prepared_fake(self) -> Server:
        server = CoreServer(self._version, {})
        with Steward(server.channel()) as steward:
            for place, letter in enumerate(self._room):
                if letter == "/" and place:
                    steward.make(self._room[:place])
            steward.make(self._room)
        return server

    def _shown(self, pair: _Comparing, address: tuple[str, int], steps: Program) -> _Shown | None:
        """Run a program: the first difference in it that is not known."""
        try:
            pair.run(steps)
        except _ApartError:
            pair.discard()
            self._remove(address, self._root)
        except (DivergenceError, SilenceError) as error:
            raise BrokenOffError(str(error)) from None
        finally:
            pair.discard()
        return pair.shown


class _ApartError(Exception):
    """The servers are in different states now."""


@dataclass(frozen=True)
class _Shown:
    """A difference, with the names of the servers and what they have answered in that step."""

    difference: AnswerDifference
    names: tuple[str, str]
    answers: tuple[list[Seen], list[Seen]]

    def seen(self, number: int) -> Seen | None:
        """What one of them has answered on that connection."""
        seen = self.answers[number]
        return seen[self.difference.place] if self.difference.place < len(seen) else None


class _Comparing(Pair):
    """The fake, and somebody else's server."""

    def __init__(
        self, fake: Callable[[], Side], server: Callable[[], Side], known: KnownDifferences
    ) -> None:
        super().__init__(fake, server)
        self._known_ones = known
        self.known = 0
        """Differences that are known."""
        self.shown: _Shown | None = None

    def differs(self, _step: object, left: list[Seen], right: list[Seen]) -> None:
        for difference in differences(left, right):
            if not self._known_ones.has(difference.line):
                assert self._sides is not None
                fake, server = (side.server.name for side in self._sides)
                self.shown = _Shown(difference, (fake, server), (left, right))
                raise _ApartError
            self.known += 1
            if difference.apart:
                raise _ApartError


class _Foreign:
    """Somebody else's server."""

    def __init__(self, address: tuple[str, int], patience: float) -> None:
        self._address = address
        self._patience = patience
        host, port = address
        self.name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def channel(self) -> RawChannel:
        """Raises `OSError`."""
        channel = SocketChannel(self._address, self._patience)
        channel.on_silence = self._nudge
        return channel

    def stop(self) -> None:
        """It goes on."""

    def _nudge(self) -> None:
        """3.8.0's servers now and then overlook a commit until they hear of another request."""
        channel = SocketChannel(self._address, self._patience)
        channel.send(wire.frame(wire.connect()))
        with suppress(SilenceError):
            channel.read_frame()
        channel.abandon()
