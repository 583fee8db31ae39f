"""Random nested programs over the context, with an oracle that knows what each must cost.

A program is a nested tuple. `run` plays it through a context; `oracle` works out, by hand, at what
time and with what chain of dependent tokens it ends, given the length of every sample and the ticks a
token takes in each role.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from fakes import Scripted, method_of

from ttscale.core import Context, GenerationRequest, Outcome, Prompt, Trace, Used, UseRequest

Program = tuple[Any, ...]
MAIN, SLOW = "main", "slow"


def length_of(call: GenerationRequest) -> Trace:
    """The course of a sample: its prompt says how long it is."""
    tokens = int(str(call.prompt.raw).split("|")[1])
    return Trace("x" * tokens, tokens, ends=list(range(1, tokens + 1)), prompt_tokens=5)


def ask(name: str, tokens: int) -> Prompt:
    return Prompt(raw=f"{name}|{tokens}")


@dataclass(frozen=True)
class Evaluate(UseRequest[str]):
    """So many network evaluations one after the other, for each of `wide` pictures."""

    evals: int
    wide: int = 1
    role: str = MAIN

    def units(self) -> dict[str, float]:
        return {"evals": float(self.evals * self.wide)}


class World(Scripted):
    """Also evaluates: one tick each, pictures side by side. With `saves`, it often needs less than
    it was asked for."""

    def __init__(self, script: Any = length_of, saves: bool = False, **options: Any) -> None:
        super().__init__(script, capabilities=("text", "prefix", "use"), **options)
        self.saves = saves
        self.begun: list[Evaluate] = []
        self.used = 0.0

    async def use(self, request: Any) -> Used[str]:
        self.begun.append(request)
        done = request.evals // 2 if self.saves and len(self.begun) % 3 else request.evals
        await asyncio.sleep(done)
        self.used += done * request.wide
        units = {"evals": float(done * request.wide)}
        return Used("painted", units, {"evals": float(done)})


def random_program(
    rng: random.Random, depth: int, roles: tuple[str, ...], cancels: bool, uses: bool = False
) -> Program:
    """A program of at most `depth` levels; with `uses` it also asks for evaluations."""

    def draw() -> tuple[int, str]:
        return rng.randint(0, 30), rng.choice(roles)

    def draws() -> list[tuple[int, str]]:
        return [draw() for _ in range(rng.randint(1, 5))]

    kinds = ["sample", "all", "race", "stop", "stream"] + (["use"] * 3 if uses else [])
    if depth > 0:
        kinds += ["seq", "map", "group", "solve", "graph"] * 2 + (["first"] if cancels else [])
    kind = rng.choice(kinds)
    if kind == "sample":
        return (kind, *draw())
    if kind == "use":
        return (kind, rng.randint(0, 12), rng.randint(1, 3), rng.choice(roles))
    if kind == "stream":
        return (kind, *draw(), rng.randint(0, 30))
    if kind == "all":
        return (kind, draws())
    if kind in ("race", "stop"):
        asked = draws()
        return (kind, asked, rng.randint(1, len(asked)))
    below = [random_program(rng, depth - 1, roles, cancels, uses) for _ in range(rng.randint(1, 3))]
    if kind == "first":
        return (kind, below, rng.randint(1, len(below)))
    if kind == "graph":
        # every node waits for some of those before it
        edges = [[j for j in range(i) if rng.random() < 0.5] for i in range(len(below))]
        return (kind, below, edges)
    return (kind, below)


async def run(ctx: Context, program: Program, name: str = "") -> None:
    """Play a program."""
    kind = program[0]
    if kind == "sample":
        await ctx.sample(ask(name, program[1]), program[2])
    elif kind == "use":
        assert await ctx.use(Evaluate(*program[1:])) == "painted"
    elif kind == "stream":
        seen = 0
        async with ctx.stream(ask(name, program[1]), program[2]) as live:
            async for chunk in live:
                seen += chunk.tokens
                if seen >= program[3]:
                    break
    elif kind == "all":
        # samples in different roles need different asks: one call for each role, side by side
        await ctx.map(_one, [(ask(f"{name}.{i}", n), r) for i, (n, r) in enumerate(program[1])])
    elif kind in ("race", "stop"):
        race = ctx.as_finished([])
        async with race:
            for i, (n, role) in enumerate(program[1]):
                race.start(ctx.sample_request(ask(f"{name}.{i}", n), role))
            for _ in range(program[2]):
                await race.__anext__()
            if kind == "stop":
                race.stop()
    elif kind == "seq":
        for i, part in enumerate(program[1]):
            await run(ctx, part, f"{name}.{i}")
    elif kind == "map":
        await ctx.map(_part, [(part, f"{name}.{i}") for i, part in enumerate(program[1])])
    elif kind == "solve":
        for i, part in enumerate(program[1]):
            assert ctx.problem is not None
            await ctx.solve(method(part, f"{name}.{i}").bind(None), ctx.problem)
    elif kind == "graph":
        async with ctx.group() as group:
            nodes: list[Any] = []
            for i, part in enumerate(program[1]):
                needed = [nodes[j] for j in program[2][i]]
                nodes.append(group.start(_node, part, f"{name}.{i}", needed))
    else:
        async with ctx.group() as group:
            for i, part in enumerate(program[1]):
                group.start(run, part, f"{name}.{i}")
            if kind == "first":
                for _ in range(program[2]):
                    await group.next()
                group.cancel()


async def _one(ctx: Context, asked: tuple[Prompt, str]) -> Trace:
    return await ctx.sample(*asked)


async def _part(ctx: Context, item: tuple[Program, str]) -> None:
    await run(ctx, *item)


async def _node(ctx: Context, part: Program, name: str, needed: list[Any]) -> None:
    for node in needed:
        await node.into(ctx)
    await run(ctx, part, name)


def method(program: Program, name: str = "") -> Any:
    """A method that plays a program."""

    async def play(problem: Any, ctx: Context, cfg: Any) -> Outcome:
        await run(ctx, program, name)
        return Outcome("done", stopped_by="played")

    return method_of(play)


@dataclass(frozen=True)
class At:
    """Where a branch stands."""

    time: int
    sequential: int
    evals: int = 0


def oracle(program: Program, start: At, speed: dict[str, int]) -> At:
    """Where a program ends that begins at `start`."""
    kind = program[0]
    if kind == "sample":
        ticks = program[1] * speed[program[2]]
        return At(start.time + ticks, start.sequential + program[1], start.evals)
    if kind == "use":
        return At(start.time + program[1], start.sequential, start.evals + program[1])
    if kind == "stream":
        # the first chunk comes before anybody can leave
        tokens = min(program[1], max(1, program[3]))
        return At(start.time + tokens * speed[program[2]], start.sequential + tokens, start.evals)
    if kind == "all":
        return _joined([oracle(("sample", *d), start, speed) for d in program[1]])
    if kind in ("race", "stop"):
        ends = [oracle(("sample", *d), start, speed) for d in program[1]]
        arrived = sorted(range(len(ends)), key=lambda i: (ends[i].time, i))[: program[2]]
        now = ends[arrived[-1]].time
        chain = max(ends[i].sequential for i in arrived)
        if kind == "stop":
            for n, role in program[1]:
                chain = max(chain, start.sequential + min(n, (now - start.time) // speed[role]))
        return At(now, chain, start.evals)
    if kind in ("seq", "solve"):
        for part in program[1]:
            start = oracle(part, start, speed)
        return start
    if kind == "graph":
        ends = []
        for part, needed in zip(program[1], program[2], strict=True):
            ends.append(oracle(part, _joined([start, *(ends[j] for j in needed)]), speed))
        return _joined(ends)
    ends = [oracle(part, start, speed) for part in program[1]]
    if kind == "first":
        return sorted(ends, key=lambda e: e.time)[program[2] - 1]
    return _joined(ends)


def _joined(ends: list[At]) -> At:
    return At(max(e.time for e in ends), max(e.sequential for e in ends), max(e.evals for e in ends))
