"""What happens before and after each test that uses a server of the run.

The rules that live here:

- when a server ends in a test, that test says so, and the next test has a server again;
- what a test leaves behind (sessions, threads of kazoo, of the dict and of the fake) is reported in
  that test, as ``--zk-leaks`` says, and not again in the next one;
- a test that has failed has one failure: its own.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from pytest_zkdict.pool import ServerPool

__all__ = ["Isolation", "ZooKeeperLeakWarning", "ZooKeeperServerWarning"]

#: Seconds that a thread or a session which is about to end may take.
_GRACE = 1.0
#: How often they are looked for at least, and the seconds after which that ends all the same.
_LOOKS, _LONGEST = 50, 10.0

_ADVICE = (
    "The next test gets a server that runs. A test that takes a server down should take one of its "
    "own, from zk_server_factory."
)
_NO_SERVER = "Until it serves again, all tests that use it fail."
_STOP = "A client that a test starts has to be stopped and closed: client.stop(), client.close()."
_CLOSE = "A dict that a test makes has to be closed, a fake or a proxy stopped: close(), stop()."
_OURS = ("kazoo", "zkdict", "zkfake")


class ZooKeeperLeakWarning(pytest.PytestWarning):
    """A test left sessions or threads behind; ``--zk-leaks`` chooses what happens then."""


class ZooKeeperServerWarning(pytest.PytestWarning):
    """Something happened to the run's server between two tests."""


class Isolation:
    """Puts the run's servers back between two tests."""

    def __init__(self, pool: ServerPool, leaks: str) -> None:
        self._pool = pool
        self._leaks = leaks
        self._sessions: set[int] = set()
        self._threads: set[threading.Thread] = set()

    # -- a test

    def begin(self, test: pytest.Item, *, faults: bool, history: bool) -> None:
        """A test begins, and every fixture of a wider scope is there. ``faults``, ``history``: it
        wants them.
        """
        for held in self._pool.held:
            held.recover()
            if held.dead is not None:
                pytest.fail(held.dead, pytrace=False)
            while held.noticed:
                test.warn(ZooKeeperServerWarning(f"before this test, {held.noticed.pop()}"))
        self._pool.begin_test(faults=faults, history=history)
        self.adopt()

    def adopt(self) -> None:
        """Take what is there now as known: no test has left it."""
        if self._leaks != "ignore":
            self._threads = set(threading.enumerate())
            # Those of before stay known: a client of a wider scope may be connecting again.
            self._sessions.update(*(held.sessions() for held in self._pool.held))

    def end(self, test: pytest.Item, *, failed: bool) -> None:
        """A test has ended, with all of its fixtures. Fails where something went wrong."""
        troubles: list[str] = []
        for held in self._pool.held:
            held.end_faults()
            held.recover()
            troubles += held.noticed
            held.noticed.clear()
        leaks = [] if self._leaks == "ignore" or failed or troubles else self._left()
        for held in self._pool.held:
            if held.dead is None:
                held.put_back()
        if failed:
            return
        if troubles:
            is_dead = any(held.dead is not None for held in self._pool.held)
            advice = _NO_SERVER if is_dead else _ADVICE
            pytest.fail("\n".join([*troubles, advice]), pytrace=False)
        if leaks:
            text = "\n  ".join(["the test left behind:", *leaks])
            self._tell(test, "\n".join([text, *_what_to_end(leaks)]))

    def _tell(self, test: pytest.Item, text: str) -> None:
        is_error = self._leaks == "fail"
        if not is_error:
            try:
                test.warn(ZooKeeperLeakWarning(text))
            except ZooKeeperLeakWarning:  # where warnings are errors
                is_error = True
        if is_error:
            pytest.fail(text, pytrace=False)

    def troubles(self) -> list[str]:
        """What has become of those of the run's servers that do not serve."""
        found = [held.trouble(ask=True) for held in self._pool.held]
        return [text for text in found if text is not None]

    # -- what is left

    def _left(self) -> list[str]:
        # Not by time alone: while this process stood still its other threads did, too.
        begun, looks = time.monotonic(), 0
        while left := self._left_now():
            looks += 1
            if time.monotonic() - begun > (_GRACE if looks > _LOOKS else _LONGEST):
                break
            time.sleep(0.02)
        return left

    def _left_now(self) -> list[str]:
        left = [
            f"the session {session & 0xFFFFFFFFFFFFFFFF:#x} {held.describe(session)}"
            for held in self._pool.held
            for session in held.sessions() - self._sessions - self._pool.own_sessions
        ]
        threads = set(threading.enumerate()) - self._threads - set(self._pool.own_threads)
        threads -= _resting()
        if threads:
            frames = sys._current_frames()  # noqa: SLF001  # the only way there is
            for thread in threads:
                origin = _origin(frames, thread)
                if origin.partition(".")[0] in _OURS:
                    left.append(f"the thread {thread.name!r}, of {origin}")
        return sorted(left)


def _what_to_end(leaks: list[str]) -> Iterator[str]:
    """What a test should have done, for what it left."""
    of_kazoo = [leak for leak in leaks if not re.search(", of zk(dict|fake)[.]", leak)]
    if of_kazoo:
        yield _STOP
    if len(of_kazoo) < len(leaks):
        yield _CLOSE


def _resting() -> set[threading.Thread]:
    """The dict's threads that wait for the next call to await: they are the process's, and end by
    themselves.
    """
    module = sys.modules.get("zkdict._threads")
    return set() if module is None else module.resting()


def _origin(frames: dict[int, FrameType], thread: threading.Thread) -> str:
    """The module of the function that the thread was started with; empty where it is not known."""
    frame: FrameType | None = frames.get(thread.ident or 0)
    origin = ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module != "threading":
            origin = module
        frame = frame.f_back
    return origin
