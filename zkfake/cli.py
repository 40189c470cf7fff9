"""``zkfake serve``: the fake as a process of its own, for offline development."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from zkfake.server import FakeZooKeeper
from zkfake.versions import DEFAULT, VERSIONS


def main(arguments: Sequence[str] | None = None) -> int:
    """The ``zkfake`` command; returns its exit status: 0, or 2 for what cannot be served."""
    parser = argparse.ArgumentParser(prog="zkfake", description="A fake ZooKeeper.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve until interrupted; the state is in memory")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument("--port", type=int, default=2181, help="0 for any free one (%(default)s)")
    serve.add_argument("--servers", type=int, default=1, help="size of the ensemble (%(default)s)")
    serve.add_argument(
        "--observers", type=int, default=0, help="servers without a vote (%(default)s)"
    )
    serve.add_argument("--version", default=DEFAULT, choices=sorted(VERSIONS), help="(%(default)s)")
    serve.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting by ZooKeeper's name, such as tickTime=500; may be repeated",
    )
    options = parser.parse_args(arguments)
    settings: dict[str, object] = {}
    for pair in options.set:
        name, equals, value = pair.partition("=")
        if not equals:
            parser.error(f"--set {pair}: expected NAME=VALUE")
        settings[name] = value
    try:
        server = FakeZooKeeper(
            host=options.host,
            port=options.port,
            servers=options.servers,
            observers=options.observers,
            version=options.version,
            settings=settings,
        ).start()
    except (OSError, ValueError) as error:
        print(f"zkfake: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 2
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        print(server.hosts, flush=True)
        threading.Event().wait()  # until interrupted
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
    return 0
