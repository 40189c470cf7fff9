"""Drives two servers in step and compares what comes back.

Rules that live here:

- Compared is, per connection, the exact sequence of frames and whether the connection has ended.
  Between different connections ZooKeeper promises no order, so none is compared.
- After an example without a divergence both servers have made the same transactions and are as
  empty as before, so the next example uses them again. After a divergence they are replaced.
"""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkfake._compare.shrink import Program
    from zkfake._compare.side import Progress, Seen, Side

__all__ = ["DivergenceError", "Pair", "alone", "describe"]


class DivergenceError(AssertionError):
    """The two servers answered differently; the text tells the step and both answers."""


class Pair:
    """Two servers, driven in step."""

    def __init__(self, left: Callable[[], Side], right: Callable[[], Side]) -> None:
        """Each returns what drives a server that has just been started."""
        self._makers = (left, right)
        self._sides: tuple[Side, Side] | None = None
        self.steps = 0
        self.frames = 0
        self.examples = 0
        self.running = False

    def start(self) -> None:
        """Start both servers, if they do not run."""
        if self._sides is None:
            first, second = self._makers
            self._sides = (first(), second())

    def begin(self) -> None:
        """Start an example, on new servers if the last one left them apart."""
        if self.running:
            self.discard()
        self.start()
        self.running = True
        self.examples += 1
        self._both("begin", lambda side: side.begin())

    def step(self, step: object) -> None:
        """Carry out `step` on both; raises `DivergenceError`."""
        self._both(step, lambda side: side.perform(step))
        self.steps += 1

    def end(self) -> None:
        """End the example; both servers are then as empty as before."""
        self._both("end", lambda side: side.end())
        self.running = False

    def run(self, program: Program) -> None:
        """One whole example."""
        self.begin()
        for step in program:
            self.step(step)
        self.end()

    def discard(self) -> None:
        """Stop both servers; the next example starts new ones."""
        sides, self._sides = self._sides, None
        self.running = False
        for side in sides or ():
            side.kill()
            side.server.stop()

    def differs(self, step: object, left: list[Seen], right: list[Seen]) -> None:
        """The answers to a step are not equal. Raises what ends the example."""
        assert self._sides is not None
        names = [side.server.name for side in self._sides]
        self.discard()
        raise DivergenceError(explain(step, (names[0], left), (names[1], right)))

    def _both(self, step: object, progress: Callable[[Side], Progress]) -> None:
        assert self._sides is not None, "begin() first"
        left, right = self._sides
        try:
            first, second = _in_step(progress(left), progress(right))
        except OSError as error:
            self.discard()
            raise DivergenceError(f"a server is gone after {step!r}: {error}") from error
        except BaseException:
            self.discard()
            raise
        if first != second:
            self.differs(step, first, second)
        for seen in first:
            if any(payload.startswith(b"silence") for payload in seen.frames):
                # Equal, but not what the step was made for: the harness, or `known`, has to learn.
                self.discard()
                raise DivergenceError(f"neither server answered after {step!r}: {seen}")
        self.frames += sum(len(seen.frames) for seen in first)


def _in_step(*sides: Progress) -> list[list[Seen]]:
    results: dict[int, list[Seen]] = {}
    running = dict(enumerate(sides))
    while running:
        for index, progress in list(running.items()):
            try:
                next(progress)
            except StopIteration as done:  # noqa: PERF203  # the end of a generator with a value
                results[index] = done.value
                del running[index]
    return [results[index] for index in range(len(sides))]


def alone(side: Side, program: Program) -> Iterator[list[Seen]]:
    """One whole example on one side, for a transcript: what is seen in each step, one by one."""
    yield _in_step(side.begin())[0]
    for step in program:
        yield _in_step(side.perform(step))[0]
    yield _in_step(side.end())[0]


def explain(step: object, *answers: tuple[str, list[Seen]]) -> str:
    """The step and the first place where the answers differ."""
    lines = [f"after {step!r}"]
    for pair in itertools.zip_longest(*(seen for _, seen in answers)):
        if pair[0] == pair[1]:
            continue
        lines.append(f"on connection {next(seen.slot for seen in pair if seen is not None)}:")
        frames = [seen.frames if seen else () for seen in pair]
        same = sum(
            1 for _ in itertools.takewhile(lambda two: two[0] == two[1], zip(*frames, strict=False))
        )
        if same:
            lines.append(f"  {same} equal frames, the last {describe(frames[0][same - 1])}, then")
        for (name, _), seen in zip(answers, pair, strict=True):
            rest = seen.frames[same : same + 3] if seen else ()
            lines += [f"  {name}: {describe(payload)}" for payload in rest]
            lines.append(f"  {name}: {'(ended)' if seen and seen.ended else '(quiet)'}")
        break
    return "\n".join(lines)


def describe(payload: bytes) -> str:
    """One frame for a reader: its header in words, its body in hex and text."""
    if len(payload) < 16 or payload.isascii():
        return repr(payload)
    xid, zxid, err = struct.unpack_from(">iqi", payload)
    return f"xid={xid} zxid={zxid} err={err} body={payload[16:].hex()} {payload[16:]!r}"
