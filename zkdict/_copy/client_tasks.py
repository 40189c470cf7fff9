"""The client's own tasks, on which no call may wait for the client.

The rules that live here:

- kazoo calls watch callbacks, completion callbacks and state listeners on three tasks of its own.
  A call of the dict made there would wait for what that very task has to bring. It is refused.
- A task (a thread, a greenlet) is identified by its outermost frame. A frame that is kept is never
  another task's, while the number of a thread that has ended may be used again.
- The tasks of the callbacks are noted by calls put into their queues, when a dict begins and with
  each new connection: a client that was stopped and started has other ones.
- The task of the listeners has no queue, and a dict's own listener may not be the first to be
  called there. But that task is the one that runs the client's ConnectionHandler.
"""

from __future__ import annotations

import inspect
import weakref
from typing import TYPE_CHECKING, Any, Literal

from kazoo.protocol import connection

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["ClientTasks", "tasks_of"]

_CONNECTION = vars(connection)


class ClientTasks:
    """The tasks of one client, as far as they are known."""

    def __init__(self, client: Any) -> None:
        self.starting = client.handler.lock_object()
        """Held while a dict starts the client, unless it was started."""
        self._client = weakref.ref(client)
        self._outermost: dict[str, FrameType | None] = {
            "watch callback": None,
            "completion callback": None,
        }

    def note(self, what: Literal["watch callback", "completion callback"]) -> None:
        """This is the client's task for what `what` names."""
        frame = outermost = inspect.currentframe()
        while frame is not None:
            outermost, frame = frame, frame.f_back
        self._outermost[what] = outermost

    def check(self) -> None:
        """Refuse to wait on one of them. Costs a look at each frame of this task.

        Raises:
            RuntimeError.
        """
        if (what := self._here()) is not None:
            raise RuntimeError(
                f"this call was made in a {what} of the dict's own client, where it would wait "
                "for itself: make it on another task, as by client.handler.spawn(function), or "
                "use on_change() and on_state(), whose callbacks may call anything"
            )

    def _here(self) -> str | None:
        """What this task is called for, if it is one of the client's."""
        client = self._client()
        frame = outermost = inspect.currentframe()
        while frame is not None:
            if frame.f_globals is _CONNECTION:
                handler = frame.f_locals.get("self")
                if isinstance(handler, connection.ConnectionHandler) and handler.client is client:
                    return "state listener"
            outermost, frame = frame, frame.f_back
        return next((what for what, each in self._outermost.items() if each is outermost), None)


_tasks_of: weakref.WeakKeyDictionary[Any, ClientTasks] = weakref.WeakKeyDictionary()


def tasks_of(client: Any) -> ClientTasks:
    """The tasks of a client, one object for all dicts on it."""
    return _tasks_of.setdefault(client, ClientTasks(client))
