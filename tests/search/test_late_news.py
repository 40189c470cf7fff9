"""A fault of which somebody hears late: the shrunk world has both, at one request."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from kazoo.exceptions import ConnectionLoss, KazooException

from zkfake._search.shrinking import shrink
from zkfake._search.simple import late_sessions, moments_near
from zkfake._search.trials import Trial
from zkfake._search.wording import in_words
from zkfake._search.worlds import World
from zkfake._simulation.chance.chance import FaultMoment, Struck
from zkfake._simulation.chance.kinds import drawn
from zkfake._simulation.chance.profiles import PROFILES
from zkfake.history import Reply
from zkfake.simulation import Simulation

if TYPE_CHECKING:
    from typing import Any

    from zkfake._search.shrinking import Shrunk


def shrunk(trial: Trial) -> Shrunk:
    """The first failure, shrunk; it fails again, whatever the seed."""
    seed = next(seed for seed in range(100) if trial.run(seed=seed).error)
    found = shrink(trial, {"seed": seed})
    assert found is not None
    assert found.complete
    assert found.world.run(trial).cause == found.run.cause
    return found


def hand_over(sim: Simulation) -> None:
    """Fails where bob sees that the session of ann is over before ann does."""
    ann, bob = sim.client("ann", timeout=4), sim.client("bob", timeout=4)
    told: list[Any] = []
    ann.add_listener(told.append)
    ann.create("/held", ephemeral=True)
    for _ in range(4):
        sim.sleep(1)
        ann.exists("/")
        assert bob.exists("/held") or told, "ann has not heard of it"


def test_a_client_hears_late_of_the_end_of_its_session() -> None:
    arguments = {"servers": 1, "latency": (0.0001, 1.0), "expire": 0.1, "profile": "calm"}
    found = shrunk(Trial(hand_over, arguments=arguments))
    slow, expire = found.world.faults
    assert (slow.fault.method, expire.fault.method) == ("slow", "expire")
    assert slow.moment == expire.moment
    assert not slow.moment.by_time


def put_once(sim: Simulation) -> None:
    """Fails where who asks whether its znode is there asks a server that has not heard of it."""
    client = sim.client("ann")
    client.create("/jobs")
    for job in range(3):
        while not any(name.startswith(f"{job}-") for name in client.get_children("/jobs")):
            try:
                client.create(f"/jobs/{job}-", sequence=True)
            except ConnectionLoss:
                continue
            break
    names = sorted(path for path in sim.dump() if path.startswith("/jobs/"))
    assert len(names) == 3, "put twice"


def test_a_server_hears_late_of_a_write_whose_reply_is_lost() -> None:
    arguments = {
        "servers": 3,
        "replica_lag": (0.0, 8.0),
        "drop_before_reply": 0.2,
        "profile": "calm",
    }
    found = shrunk(Trial(put_once, allow=(ConnectionLoss,), arguments=arguments))
    lost, frozen = found.world.faults
    assert (lost.fault.method, frozen.fault.method) == ("drop_before_reply", "freeze")
    assert found.world.profile == Simulation().profile


def come_back(sim: Simulation) -> None:
    """Fails where the next session of a client sees what went with the last one."""
    client = sim.client("ann", timeout=4)
    client.create("/mine", ephemeral=True)
    session = client.client_id
    for _ in range(8):
        sim.sleep(0.5)
        with suppress(KazooException):
            there = client.exists("/mine")
            assert there is None or client.client_id == session, "it is that of the last session"


def test_the_next_session_goes_on_at_a_server_that_has_not_heard() -> None:
    """Which servers the client comes to is drawn."""
    trial = Trial(come_back, allow=(KazooException,), arguments={"servers": 3})
    failing = []
    for seed in range(4):
        empty = World(seed, 3, PROFILES["calm"])
        for faults in islice(late_sessions(empty.run(trial).simulation), 60):
            run = replace(empty, faults=faults).run(trial)
            if run.error is not None:
                failing.append((faults, run))
                break
    assert failing
    for faults, run in failing:
        assert str(run.error).startswith("it is that of the last session")
        frozen, ends, moves = (in_words(part, run.simulation) for part in faults)
        assert re.match(r"server \d is frozen", frozen)
        assert re.fullmatch(
            r"the session of ann expires at request \d+, the \w+ of ann \(.*\)", ends
        )
        assert re.fullmatch(
            r".* right after the reply to request \d+, the \w+ of ann \(connect\)", moves
        )


def test_a_fault_at_a_time_is_tied_to_the_requests_around_it() -> None:
    with Simulation() as sim:
        clients = [sim.client(name) for name in ("ann", "bob")]
        for second in range(1, 6):
            sim.sleep(1)
            for client in clients:
                client.exists(f"/{second}")
    (answer,) = (
        each for each in sim.history.of(Reply) if (each.client, each.paths) == ("ann", ("/3",))
    )
    struck = Struck(FaultMoment(answer.time, "bob", 1, by_time=True), drawn("expire", "ann"))
    near = moments_near(sim, struck)
    assert {each.client for each in near} == {"ann"}
    assert not any(each.by_time for each in near)
    assert (near[0].nth, near[0].point) == (4, "after_reply")  # after the handshake
    assert {each.nth for each in near} == {3, 4, 5}
    stopped = Struck(struck.moment, drawn("stop_server"))
    assert {each.client for each in moments_near(sim, stopped)} == {"ann", "bob"}
