"""A TCP proxy that hands on every byte after a delay: `dict_proxy.py HOST:PORT MILLISECONDS`.

Prints its own HOST:PORT and runs until its input ends. Bytes are delayed, not slowed down: what was
sent together arrives together, later.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import sys
import threading
import time


def hand_on(source: socket.socket, target: socket.socket, delay: float) -> None:
    """Copy one direction; ends with the connection."""
    waiting: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def send() -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = waiting.get()
                time.sleep(max(0.0, due - time.perf_counter()))
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)

    threading.Thread(target=send, daemon=True).start()
    data = b"x"
    while data:
        try:
            data = source.recv(1 << 16)
        except OSError:
            data = b""
        waiting.put((time.perf_counter() + delay, data))


def serve(listener: socket.socket, target: tuple[str, int], delay: float) -> None:
    """Accept connections and join each to one of its own to the target."""
    while True:
        near, _ = listener.accept()
        far = socket.create_connection(target)
        for side in (near, far):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=hand_on, args=(one, other, delay), daemon=True).start()


if __name__ == "__main__":
    host, port = sys.argv[1].rsplit(":", 1)
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"127.0.0.1:{listening.getsockname()[1]}", flush=True)
    threading.Thread(
        target=serve,
        args=(listening, (host, int(port)), float(sys.argv[2]) / 1000),
        daemon=True,
    ).start()
    sys.stdin.read()
