"""Holds the lock rule of the dict's copy: see the docstrings of `Cache` and `View`.

Each public method of theirs looks whether its caller has the dict's lock, unless its docstring says
"Needs no lock". A cache or a view without a dict, as in their own tests, has no lock to look at.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from typing import TYPE_CHECKING, Any

import greenlet
import pytest

from zkdict._copy.cache import Cache
from zkdict._copy.locks import HandlerLock
from zkdict._copy.reads import CopyReads
from zkdict._copy.shared import SharedCopy
from zkdict._copy.view import View
from zkdict._writes.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def this_task() -> tuple[int, int]:
    """Whichever handler runs it: a thread, and a greenlet of it."""
    return threading.get_ident(), id(greenlet.getcurrent())


@contextlib.contextmanager
def held() -> Iterator[list[str]]:
    """The calls that broke the rule meanwhile."""
    broken: list[str] = []
    owners: dict[int, tuple[int, int]] = {}  # lock -> task
    copies: weakref.WeakKeyDictionary[Any, SharedCopy] = weakref.WeakKeyDictionary()

    def checked(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def check(self: Any, *arguments: Any, **options: Any) -> Any:
            copy = copies.get(self)
            if copy is not None and owners.get(id(copy.lock)) != this_task():
                broken.append(name)
                raise AssertionError(f"{name} was called without the dict's lock")
            return call(self, *arguments, **options)

        return check

    def after(
        patch: pytest.MonkeyPatch, class_: type, name: str, note: Callable[[Any], None]
    ) -> None:
        call = getattr(class_, name)

        def noted(self: Any, *arguments: Any, **options: Any) -> None:
            call(self, *arguments, **options)
            note(self)

        patch.setattr(class_, name, functools.wraps(call)(noted))

    def enter(self: HandlerLock) -> None:
        acquire(self)
        owners[id(self)] = this_task()

    def leave(self: HandlerLock, *error: Any) -> None:
        owners.pop(id(self), None)
        release(self, *error)

    acquire, release = HandlerLock.__enter__, HandlerLock.__exit__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HandlerLock, "__enter__", enter)
        patch.setattr(HandlerLock, "__exit__", leave)
        after(patch, SharedCopy, "__init__", lambda copy: copies.update({copy.cache: copy}))
        after(patch, Sender, "__init__", lambda sender: copies.update({sender.view: sender.feed}))
        for class_ in (Cache, CopyReads, View):
            for name, member in vars(class_).items():
                if name.startswith("_") or not (callable(member) or isinstance(member, property)):
                    continue
                if "Needs no lock" in (member.__doc__ or ""):
                    continue
                named = f"{'View' if class_ is View else 'Cache'}.{name}"
                if isinstance(member, property):
                    assert member.fget is not None
                    patch.setattr(class_, name, property(checked(named, member.fget)))
                else:
                    patch.setattr(class_, name, checked(named, member))
        yield broken
