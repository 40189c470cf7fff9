"""A day of the shop: threads without names, a pool, a log, chance and dates."""

from __future__ import annotations

import datetime as dt
import logging
import os
import random
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from . import stock

log = logging.getLogger("shop")


def serve(number: int) -> tuple[Any, ...]:
    """One customer."""
    stock.is_open.wait()
    with stock.lock:
        time.sleep(random.random())
        stock.plain.number = number
    sold = stock.store.sell()
    log.warning("customer %d", number)
    thread = threading.current_thread()
    return number, sold, stock.plain.number, thread.name, thread.ident, threading.get_ident()


def wait_for_change(results: list[bool]) -> None:
    with stock.changed:
        results.append(stock.changed.wait(60))


def day() -> list[Any]:
    """Everything that could be different the next time."""
    results: list[bool] = []
    threads = [threading.Thread(target=serve, args=(number,)) for number in range(3)]
    threads.append(threading.Thread(target=wait_for_change, args=(results,)))
    threads.append(threading.Timer(30, lambda: None))
    for thread in threads:
        thread.start()
    seen: list[Any] = [(thread.name, thread.ident) for thread in threads]
    seen.append(sorted(thread.name for thread in threading.enumerate()))
    time.sleep(20)
    with stock.changed:
        stock.changed.notify_all()
    for thread in threads:
        thread.join()
    with ThreadPoolExecutor() as pool:
        seen += [
            served.result() for served in as_completed(pool.submit(serve, n) for n in range(9))
        ]
        seen += pool.map(serve, range(3))
    return [
        *seen, results, stock.orders.get(), os.cpu_count(),
        threading.current_thread() is threading.main_thread(), threading.active_count(),
        random.Random().random(), random.SystemRandom().randint(1, 99), secrets.token_hex(4),
        secrets.token_urlsafe(4), secrets.randbelow(1000), secrets.choice("abc"),
        time.strftime("%H:%M:%S"), time.ctime(), time.asctime(), str(dt.date.today()),
        str(dt.datetime.now()), time.mktime(time.localtime()),
        time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime_ns(time.CLOCK_REALTIME),
    ]  # fmt: skip
