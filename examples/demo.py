"""The dict on the embedded fake: one client writes, another one sees it, both views printed."""

from kazoo.client import KazooClient

from zkdict import ZooKeeperDict
from zkfake import FakeZooKeeper


def main() -> None:
    with FakeZooKeeper() as server:
        print(f"A fake ZooKeeper accepts connections at {server.hosts}\n")
        here, there = KazooClient(server.hosts), KazooClient(server.hosts)
        here.start()
        there.start()
        try:
            ours = ZooKeeperDict(here, "/app/config")
            theirs = ZooKeeperDict(there, "/app/config")

            def show(what: str) -> None:
                ours.sync()
                theirs.sync()
                print(f"{what}\n  here:  {dict(ours)}\n  there: {dict(theirs)}")

            ours["exchange_rate"] = 25
            show("here:  ours['exchange_rate'] = 25")
            theirs["language"] = "en-US"
            show("there: theirs['language'] = 'en-US'")
            ours.update(exchange_rate=26, retries=[1, 5, 30])
            show("here:  ours.update(exchange_rate=26, retries=[1, 5, 30])")
            print(f"there: theirs.pop('exchange_rate') -> {theirs.pop('exchange_rate')}")
            show("afterwards")
            print(f"\nThe znodes: {server.dump()}")
            ours.close()
            theirs.close()
        finally:
            for client in (here, there):
                client.stop()
                client.close()


if __name__ == "__main__":
    main()
