"""What the history says about servers: elections, logs and sessions, as they went."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import get_args

import pytest
from kazoo.exceptions import KazooException

from zkfake._ensemble.events import Name
from zkfake.history import Connected, Reply, ServerEvent
from zkfake.simulation import Simulation

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"


def events(sim: Simulation) -> list[str]:
    """Every event of a server, without its time."""
    return [repr(event).partition(", ")[2][:-1] for event in sim.history.of(ServerEvent)]


def test_an_election_is_told_step_by_step() -> None:
    with Simulation(servers=3, observers=1) as sim:
        client = sim.client(hosts="zk3:2181")
        begun = len(events(sim))
        sim.faults.stop_server(2, duration=5)
        sim.run_until(lambda: sim.leader == 3)
        client.retry(client.ensure_path, "/a")
        sim.settle()
        told = events(sim)
    assert told[:7] == [
        "server=1, epoch=0, starts: with the state of 0x0",
        "server=1, epoch=0, looks: it has started",
        "server=2, epoch=0, starts: with the state of 0x0",
        "server=2, epoch=0, looks: it has started",
        "server=2, epoch=1, is elected: by servers 1 2; its log ends at 0x0, of epoch 0",
        "server=1, epoch=1, joins: server 2; its log ends at 0x0",
        "server=2, epoch=1, leads: servers 1 2; no proposals of earlier epochs are committed now",
    ]
    assert told[begun - 2 : begun] == [
        "server=2, epoch=1, commits: 0x100000001, the first of its epoch",
        "server=2, epoch=1, opens session: 0x39b76daa8000000, at server 3, for 10000 ms",
    ]
    assert told[begun:] == [
        "server=2, epoch=1, stops",
        "server=2, epoch=1, steps down: no other server leads",
        "server=1, epoch=1, looks: server 2, its leader, is lost",
        "server=3, epoch=1, looks: server 2, its leader, is lost",
        "server=4, epoch=1, looks: server 2, its leader, is lost",
        "server=3, epoch=2, is elected: by servers 1 3; its log ends at 0x100000001, of epoch 1",
        "server=1, epoch=2, joins: server 3; its log ends at 0x100000001",
        "server=3, epoch=2, leads: servers 1 3; no proposals of earlier epochs are committed now",
        "server=1, epoch=2, follows: server 3",
        "server=4, epoch=2, joins: server 3; its log ends at 0x100000001",
        "server=4, epoch=2, observes: server 3",
        "server=3, epoch=2, commits: 0x200000001, the first of its epoch",
        "server=2, epoch=1, starts: with the state of 0x100000001",
        "server=2, epoch=1, looks: it has started",
        "server=2, epoch=2, joins: server 3; its log ends at 0x100000001",
        "server=2, epoch=2, takes transactions: 1 transaction, from 0x200000001 on",
        "server=2, epoch=2, follows: server 3",
    ]


def test_a_deposed_leader_is_told_of_and_its_log_is_cut() -> None:
    """It stands still with a write on its way, goes on, proposes it, and learns who leads."""
    with Simulation(servers=3) as sim:
        client = sim.client(hosts="zk2:2181", timeout=40.0)
        with sim.faults.pause_server(2):
            write = client.create_async("/a")
            sim.run_until(lambda: sim.leader == 3)
        sim.settle()
        assert isinstance(write.exception, KazooException)
        told = [line for line in events(sim) if line.startswith("server=2") and "looks" not in line]
    assert told[-4:] == [
        "server=2, epoch=1, steps down: server 3 leads epoch 2",
        "server=2, epoch=2, joins: server 3; its log ends at 0x100000002",
        (
            "server=2, epoch=2, cuts its log: "
            "what comes after 0x100000001, 1 transaction, was never committed"
        ),
        "server=2, epoch=2, follows: server 3",
    ]


def test_who_is_too_far_behind_takes_a_tree() -> None:
    with Simulation(servers=3, settings={"zookeeper.commitLogCount": 3}) as sim:
        client = sim.client(hosts="zk2:2181")
        with sim.faults.stop_server(1):
            for number in range(5):
                client.create(f"/{number}")
        sim.settle()
        assert "server=1, epoch=1, takes a tree: that of 0x100000006" in events(sim)


def test_sessions_are_told_of_from_their_beginning_to_their_end() -> None:
    with Simulation(servers=3) as sim:
        client = sim.client("c", hosts="zk1:2181,zk3:2181", randomize_hosts=False, timeout=8.0)
        number = client.client_id[0]
        with sim.faults.partition(client, 1):
            sim.run_until(lambda: sim.history.of(Connected)[-1].server == 3 and client.connected)
        sim.faults.pause(client, duration=60)
        sim.sleep(70)
        sim.settle()
        following = client.client_id[0]
        client.stop()
        told = [line.partition("=1, ")[2] for line in events(sim) if "session" in line]
        assert told == [
            f"opens session: {number:#x}, at server 1, for 8000 ms",
            f"moves session: {number:#x}, from server 1 to server 3",
            f"expires session: {number:#x}, not heard of for 8000 ms",
            f"closes session: {number:#x}",
            f"drops client: session {number:#x} is over",
            f"opens session: {following:#x}, at server 3, for 8000 ms",
            f"closes session: {following:#x}",
        ]


def hostile(seed: int) -> Simulation:
    with Simulation(seed=seed, servers=3, observers=1, profile="hostile") as sim:
        clients = [sim.client(timeout=8.0) for _ in range(3)]

        def work(number: int) -> None:
            for _ in range(15):
                try:
                    clients[number].ensure_path(f"/{number}")
                    clients[number].set(f"/{number}", b"")
                except KazooException:  # noqa: PERF203
                    sim.sleep(1)

        for task in [sim.spawn(work, number) for number in range(3)]:
            task.result()
        sim.settle()
    return sim


@pytest.mark.parametrize("seed", range(8))
def test_what_servers_tell_is_one_story(seed: int) -> None:
    """Nobody follows who has not joined, nobody leads who was not elected, no epoch is led twice,
    no session ends that was not opened, and who is connected where is in it.
    """
    sim = hostile(seed)
    epochs: dict[int, int] = defaultdict(int)
    joined: dict[int, int] = {}
    elected: dict[int, int] = {}
    led: set[int] = set()
    opened: dict[str, str] = {}
    for event in sim.history.of(ServerEvent):
        server, epoch, word = event.server, event.epoch, event.text.partition(" ")[0].strip(",;")
        assert epoch >= epochs[server]
        epochs[server] = epoch
        if event.name == "is elected":
            elected[epoch] = server
            assert f" {server}" in event.text.partition(";")[0]
        elif event.name == "leads":
            assert elected[epoch] == server
            assert epoch not in led
            led.add(epoch)
        elif event.name in ("looks", "stops"):
            joined.pop(server, None)
        elif event.name == "joins":
            joined[server] = int(event.text.split()[1].rstrip(";"))
            assert elected[epoch] == joined[server]
        elif event.name in ("follows", "observes"):
            assert event.text == f"server {joined[server]}"
            assert (event.name == "observes") == (server == 4)
            assert epoch in led
        elif event.name in ("cuts its log", "takes a tree", "takes transactions"):
            assert server in joined
        elif event.name == "commits":
            assert word == f"{(epoch << 32) + 1:#x}"
        elif event.name == "opens session":
            assert word not in opened
            opened[word] = "open"
        elif event.name in ("expires session", "moves session"):
            assert word in opened
        elif event.name == "closes session":
            opened[word] = "closed"
    assert sim.leader is not None
    assert max(led) == epochs[sim.leader]
    given = {
        int.from_bytes(reply.frame[12:20], "big", signed=True)
        for reply in sim.history.of(Reply)
        if reply.operation == "connect"
    }
    assert {f"{session:#x}" for session in given - {0}} <= opened.keys()


def test_the_page_lists_what_servers_tell() -> None:
    table = PAGE.read_text("utf-8").partition("| a server | |\n")[2].partition("\n\n")[0]
    listed = [
        name for row in table.splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    assert listed == list(get_args(Name))
