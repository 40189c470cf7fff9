"""Code under test that uses threads and an event loop, for `Simulation(patch=...)`."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def in_thread(function: Callable[[], object], *, daemon: bool) -> threading.Thread:
    thread = threading.Thread(target=function, name="helper", daemon=daemon)
    thread.start()
    return thread


def in_loop(function: Callable[[], object], handler: Any = None) -> None:
    """Fails in a task of asyncio that nobody waits for."""

    async def work() -> None:
        function()

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(handler)
        task = asyncio.ensure_future(work())
        await asyncio.sleep(1)
        del task
        await asyncio.sleep(1)

    asyncio.run(main())


def in_callback_of_loop(function: Callable[[], object]) -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(function)
        await asyncio.sleep(1)

    asyncio.run(main())
