"""The attacks by name, each run in a process of its own: the good clients do not feel its work."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import uvloop

from load_tests.address import Address
from load_tests.slow import conducts
from load_tests.slow.grpc_bomb import grpc_bomb
from load_tests.slow.slow_reader import read_nothing
from load_tests.slow.sockets import Conduct, misbehave


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, whom to ask, and an honest request for those who only read slowly."""

    http: Address
    grpc: Address
    path: str
    request: bytes


@dataclass(frozen=True, slots=True)
class Attack:
    """`share` of the connections that the run has for the largest; `once` returns how one was ended."""

    name: str
    share: float
    once: Callable[[Target, float], Awaitable[str]]


def _with(make: Callable[[Address, str], Conduct]) -> Callable[[Target, float], Awaitable[str]]:
    return lambda target, patience_s: misbehave(target.http, make(target.http, target.path), patience_s)


ATTACKS = {
    attack.name: attack
    for attack in (
        Attack("idle connections", 1.0, lambda t, s: misbehave(t.http, conducts.idle, s)),
        Attack("slow headers", 0.2, _with(conducts.slow_header)),
        Attack("slow bodies", 0.2, _with(conducts.slow_body)),
        Attack("reads nothing", 0.01, lambda t, s: read_nothing(t.http, t.request, s)),
        Attack("10 MB header", 0.02, _with(conducts.huge_header)),
        Attack("zip bomb, 1 GiB", 0.01, _with(conducts.zip_bomb)),
        Attack("50,000 empty zips", 0.01, _with(conducts.many_empty_zips)),
        Attack("zip bomb over gRPC, 256 MiB", 0.002, lambda t, _: grpc_bomb(t.grpc)),
    )
}


def begin(
    name: str, target: Target, connections: int, patience_s: float, pool: ProcessPoolExecutor
) -> Future[Counter[str]]:
    """Start the attack; the result is how its connections were ended."""
    return pool.submit(_attack, name, target, connections, patience_s)


def attackers() -> ProcessPoolExecutor:
    """A process of its own, made anew: a copy of this one would share its sockets."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _attack(name: str, target: Target, connections: int, patience_s: float) -> Counter[str]:
    return uvloop.run(_all(ATTACKS[name], target, connections, patience_s))


async def _all(attack: Attack, target: Target, connections: int, patience_s: float) -> Counter[str]:
    number = max(1, round(attack.share * connections))
    return Counter(await asyncio.gather(*(attack.once(target, patience_s) for _ in range(number))))
