"""Single moments of an ensemble that changes."""

from __future__ import annotations

from zkfake._database.reconfig import member

from ..support import wire
from . import checks
from .changing import Changing
from .clients import TICK


def line(number: int, role: str) -> str:
    return f"server.{number}={member(number, role == 'observer', f'h:{4000 + number}').render()}"


def reconfig(run: Changing, *, joining: str | None = None, leaving: str | None = None) -> None:
    body = wire.string(joining) + wire.string(leaving) + wire.string(None) + wire.i64(-1)
    run.clients[0].send("reconfig", body)
    run.wait(20)


def leading(run: Changing) -> int:
    assert run.ensemble.leader is not None
    return run.ensemble.leader.id


def test_a_proposed_configuration_asks_an_observer_for_its_vote() -> None:
    """It was a follower when that was proposed, and nobody else is left to agree."""
    run = Changing(1)
    leader = leading(run)
    one, other = (number for number in (1, 2, 3) if number != leader)
    run.clients[0].connect(leader)
    run.wait(20)
    reconfig(run, leaving=str(one))
    run.ensemble.cut(leader, one)
    reconfig(run, joining=line(one, "observer"))
    assert run.config.observes(one)
    reconfig(run, joining=line(one, "participant"), leaving=str(other))
    run.wait(TICK)
    assert run.servers[one - 1].observer  # it has heard of the configuration before
    assert leading(run) == leader  # which has yet to notice that it has no quorum
    assert run.config.voters == {leader, other}
    run.ensemble.mend(leader, one)
    run.wait(3 * TICK)
    assert run.config.voters == {leader, one}
    assert leading(run) == leader
    checks.check_all(run)


def test_who_looks_hears_of_a_configuration_from_a_member_that_learns_of_it() -> None:
    run = Changing(1)
    leader = leading(run)
    one, other = (number for number in (1, 2, 3) if number != leader)
    run.clients[0].connect(leader)
    run.wait(20)
    run.ensemble.cut(leader, one)
    run.ensemble.cut(one, leader)
    run.wait(2 * TICK)
    assert run.servers[one - 1].mode is None
    reconfig(run, joining=line(one, "observer"))
    assert run.servers[other - 1].store.config.observes(one)
    assert run.servers[one - 1].observer
    checks.check_all(run)


def test_who_was_away_finds_the_new_members_through_an_old_one() -> None:
    run = Changing(1)
    leader = leading(run)
    one, other = (number for number in (1, 2, 3) if number != leader)
    run.clients[0].connect(leader)
    run.wait(20)
    for number in (4, 5):
        run.join()
        run.wait(20)
        assert run.servers[number - 1].mode == "follower"
    run.servers[one - 1].stop()
    for number in (4, 5):
        reconfig(run, joining=line(number, "participant"))
    reconfig(run, leaving=f"{one},{leader}")
    run.wait(4 * TICK)
    assert run.config.voters == {other, 4, 5}
    run.servers[leader - 1].stop()
    run.servers[one - 1].start()
    run.wait(4 * TICK)
    assert run.servers[one - 1].store.config.version == run.config.version
    assert run.servers[one - 1].mode == "follower"
    checks.check_all(run)


def test_a_leader_with_another_port_for_the_others_hands_over() -> None:
    run = Changing(1)
    leader = leading(run)
    run.clients[0].connect(leader)
    run.wait(20)
    reconfig(run, joining=line(leader, "participant").replace(":288", ":588"))
    run.wait(3 * TICK)
    assert leading(run) != leader
    assert run.servers[leader - 1].mode == "follower"
    assert run.config.voters == {1, 2, 3}
    checks.check_all(run)
