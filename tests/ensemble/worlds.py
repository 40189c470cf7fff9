"""The worlds that the properties and the planted mistakes are tried in: one seed, one world."""

from __future__ import annotations

from random import Random

from . import checks
from .changing import Changing
from .lingering import Lingering
from .run import Run


def troubled(seed: int, steps: int = 150) -> Run:
    """An ensemble of any size and pace that every fault has been tried on."""
    random = Random(seed * 7919)
    return Run(
        seed,
        voters=random.choice((3, 3, 5)),
        observers=random.choice((0, 1)),
        latency=random.choice((0, 5, 40)),
        lag=random.choice((0, 10, 100)),
        election=random.choice((0, 50, 300)),
        sync_limit=random.choice((1, 1, 2, 5)),
        remembered=random.choice((2, 10, 500)),
    ).trouble(steps)


def calm(seed: int, latency: int = 5, lag: int = 50) -> Run:
    """Three servers and an observer without any fault, but at different paces."""
    return Run(seed, observers=1, latency=latency, lag=lag).traffic(150)


def wandering(seed: int) -> Run:
    """Clients that go from server to server, some of which are far behind."""
    return Run(seed, observers=1, latency=5, lag=400).wander(60)


def cornered(seed: int) -> Run:
    """Leaders that hear observers, and of the voters too few."""
    return Run(seed, observers=2, latency=5).corner(12)


def deposed(seed: int) -> Run:
    """Leaders that are replaced, and go on for a while."""
    random = Random(seed)
    lag, limit = random.choice((0, 100)), random.choice((1, 2))
    return Run(seed, latency=5, lag=lag, sync_limit=limit).depose(8)


def relapsing(seed: int) -> Run:
    """Leaders that are about to be replaced, and are back before."""
    random = Random(seed)
    lag, remembered = random.choice((0, 100)), random.choice((2, 500))
    return Run(seed, latency=40, lag=lag, election=50, remembered=remembered).relapse(8)


def rotating(seed: int) -> Run:
    """Servers that get the whole tree when they are back, and may lead soon after."""
    return Run(seed, latency=5, remembered=2).rotate(8)


def lingering(seed: int) -> Lingering:
    """Servers that end, or lose their power, while their disks are slow or they lag."""
    random = Random(seed)
    lag, voters = random.choice((0, 100, 400)), random.choice((3, 5))
    return Lingering(seed, voters=voters, latency=5, lag=lag).linger(12)


def changing(seed: int, steps: int = 120, power: bool = False) -> Changing:
    """Ensembles whose members come and go, under every fault."""
    random = Random(seed * 7907)
    return Changing(
        seed,
        voters=random.choice((2, 3, 3, 4)),
        observers=random.choice((0, 1, 2)),
        latency=random.choice((0, 5, 40)),
        lag=random.choice((0, 10, 100)),
        election=random.choice((0, 50, 300)),
        sync_limit=random.choice((1, 1, 2)),
        remembered=random.choice((2, 10, 500)),
    ).change(steps, power)


def torn(seed: int) -> Changing:
    """Ensembles that fall apart while all of their members are exchanged."""
    random = Random(seed * 7907)
    return Changing(
        seed,
        latency=random.choice((5, 20)),
        election=random.choice((0, 50)),
        remembered=random.choice((2, 500)),
    ).tear(4)


def judge(run: Run) -> None:
    """Raises `AssertionError` if a troubled run broke a promise."""
    checks.check_all(run)
    checks.all_is_well_again(run)


def judge_calm(run: Run) -> None:
    """Raises `AssertionError` if a run without a fault broke a promise, or lost anything."""
    run.wait(1000)
    checks.check_all(run)
    checks.nothing_is_lost(run)
