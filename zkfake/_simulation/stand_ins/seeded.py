"""Chance in a simulation: everything that draws does so from the program's stream of the seed."""

from __future__ import annotations

import base64
import os
import random
import secrets
import uuid
from typing import TYPE_CHECKING, Any

from zkfake._simulation.stand_ins.current import LOCAL

if TYPE_CHECKING:
    import types
    from collections.abc import Callable

__all__ = ["REPLACED", "urandom"]


def _chance(name: str) -> Callable[..., Any]:
    def draw(*args: Any, **kwargs: Any) -> Any:
        simulation = LOCAL.simulation
        return getattr(random if simulation is None else simulation.client_random, name)(
            *args, **kwargs
        )

    draw.__name__ = name
    return draw


def _randint(a: int, b: int) -> int:
    """`random.randint`, with the same draws and fewer calls: kazoo has one for every wait."""
    simulation = LOCAL.simulation
    if simulation is None:
        return random.randint(a, b)
    if type(a) is not int or type(b) is not int or a > b:
        return simulation.client_random.randint(a, b)
    width = b - a + 1
    bits = width.bit_length()
    draw = simulation.client_random.getrandbits
    value = draw(bits)
    while value >= width:
        value = draw(bits)
    return a + value


def _seed(a: Any = None, version: int = 2) -> None:
    """`random.seed`, which takes a new seed from the simulation's where it is given none."""
    simulation = LOCAL.simulation
    if simulation is None:
        random.seed(a, version)
    else:
        chance = simulation.client_random
        chance.seed(chance.getrandbits(256) if a is None else a, version)


_RANDOM_FUNCTIONS = (
    "betavariate", "choice", "choices", "expovariate", "gammavariate", "gauss", "getrandbits",
    "lognormvariate", "normalvariate", "paretovariate", "randbytes", "randint", "random",
    "randrange", "sample", "shuffle", "triangular", "uniform", "vonmisesvariate",
    "weibullvariate",
)  # fmt: skip


def _uuid1(*args: Any) -> uuid.UUID:
    simulation = LOCAL.simulation
    if simulation is None:
        return uuid.uuid1(*args)
    return uuid.UUID(int=simulation.client_random.getrandbits(128), version=1)


def _uuid4() -> uuid.UUID:
    simulation = LOCAL.simulation
    if simulation is None:
        return uuid.uuid4()
    return uuid.UUID(int=simulation.client_random.getrandbits(128), version=4)


class _RandomType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, random.Random)


class _Random(random.Random, metaclass=_RandomType):
    """`random.Random`, which draws its own seed from the simulation's where it is given none."""

    def seed(self, a: Any = None, version: int = 2) -> None:
        simulation = LOCAL.simulation
        if a is None and simulation is not None:
            a = simulation.client_random.getrandbits(256)
        super().seed(a, version)


class _SystemRandom(random.SystemRandom):
    """`random.SystemRandom`, from the simulation's seed."""

    def random(self) -> float:
        simulation = LOCAL.simulation
        return super().random() if simulation is None else simulation.client_random.random()

    def getrandbits(self, k: int, /) -> int:
        simulation = LOCAL.simulation
        return (
            super().getrandbits(k)
            if simulation is None
            else simulation.client_random.getrandbits(k)
        )

    def randbytes(self, n: int) -> bytes:
        return urandom(n)


_system = _SystemRandom()


def _token_bytes(nbytes: int | None = None) -> bytes:
    return urandom(secrets.DEFAULT_ENTROPY if nbytes is None else nbytes)


def _token_hex(nbytes: int | None = None) -> str:
    return _token_bytes(nbytes).hex()


def _token_urlsafe(nbytes: int | None = None) -> str:
    return base64.urlsafe_b64encode(_token_bytes(nbytes)).rstrip(b"=").decode("ascii")


def _randbelow(exclusive_upper_bound: int) -> int:
    return _system.randrange(exclusive_upper_bound)


def urandom(size: int) -> bytes:
    """`os.urandom`."""
    simulation = LOCAL.simulation
    return os.urandom(size) if simulation is None else simulation.client_random.randbytes(size)


REPLACED: dict[types.ModuleType, dict[str, Any]] = {
    random: {
        **{name: _chance(name) for name in _RANDOM_FUNCTIONS},
        "randint": _randint,
        "seed": _seed,
        "Random": _Random,
        "SystemRandom": _SystemRandom,
    },
    secrets: {
        "SystemRandom": _SystemRandom,
        "choice": _system.choice,
        "randbelow": _randbelow,
        "randbits": _system.getrandbits,
        "token_bytes": _token_bytes,
        "token_hex": _token_hex,
        "token_urlsafe": _token_urlsafe,
    },
    uuid: {"uuid1": _uuid1, "uuid4": _uuid4},
}
"""What code in patched modules gets instead: by module and name."""
