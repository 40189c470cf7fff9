"""The client's own tasks, on which nothing may wait for the client.

The rules that live here:

- kazoo calls watch callbacks, completion callbacks and state listeners on three tasks of its own.
  A call of the dict made there would wait for what that very task has to bring. It is refused.
- Which task this is, a handler's reentrant lock knows, whatever a task is (a thread, a greenlet):
  each of the three takes one when a dict's own callback runs there, and keeps it. Who gets it once
  more without waiting is that task.
- A client that is stopped ends its tasks; so with each change of the state they are noted anew.
"""

from __future__ import annotations

import weakref
from typing import Any

__all__ = ["ClientTasks", "tasks_of"]


class ClientTasks:
    """The tasks of one client, as far as they are known."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self._locks: dict[str, Any] = {}

    def note(self, what: str) -> None:
        """This is the client's task for what `what` names."""
        if what not in self._locks and self._handler.running:
            lock = self._handler.rlock_object()
            lock.acquire()
            self._locks[what] = lock

    def forget(self) -> None:
        """The client may have other tasks from now on."""
        self._locks = {}

    def check(self) -> None:
        """Refuse to wait on one of them.

        Raises:
            RuntimeError.
        """
        if not self._handler.running:
            return
        for what, lock in list(self._locks.items()):
            if lock.acquire(False):
                lock.release()
                raise RuntimeError(
                    f"this call was made in a {what} of the dict's own client, where it would wait "
                    "for itself: make it on another task, as by client.handler.spawn(function), or "
                    "use on_change() and on_state(), whose callbacks may call anything"
                )


_tasks_of: weakref.WeakKeyDictionary[Any, ClientTasks] = weakref.WeakKeyDictionary()


def tasks_of(client: Any) -> ClientTasks:
    """The tasks of a client, one object for all dicts on it."""
    return _tasks_of.setdefault(client, ClientTasks(client.handler))
