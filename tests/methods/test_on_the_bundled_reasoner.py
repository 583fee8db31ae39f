"""Every method on a real model: the bundled reasoner, in llama.cpp, or in torch where it is there.

New methods are covered by being registered. What is held here is what only a real engine can break:
that prompts are understood, that stops, prefixes and cancellations do what they say, and that the
tokens reported are those the server generated.
"""

from __future__ import annotations

import asyncio
import random
from importlib.util import find_spec
from typing import Any

import pytest

from ttscale.bench.tasks.task import load_task
from ttscale.core import Budget, Engine, Outcome, Problem, Run
from ttscale.engines.catalogue.bundled import bundled_models
from ttscale.engines.catalogue.specification import open_model
from ttscale.engines.llamacpp import LlamaCpp
from ttscale.methods.registry import methods, parse

pytest.importorskip("xllamacpp")
pytestmark = pytest.mark.real

METHODS = methods()
SLOTS = 8
FORCED = 40  # tokens of thinking: an early end is ignored, and the limit reached
# settings for a model that needs some thirty tokens, where the defaults are for thousands
SMALL: dict[str, str] = {
    "atts": "chains=3, turns=4, draft_tokens=24, target_tokens=24, calibration=4",
    "atts-marginal": "chains=3, turns=4, draft_tokens=24, target_tokens=24, calibration=4",
    "beam-search": "n=4, width=2, verifier=judge",
    "best-of-n": "n=4, verifier=judge, weighted=true",
    "budget-forcing": f"n_ignore=1, max_thinking={FORCED}",
    "chain-of-draft": "prompts=tiny",
    "deepconf": "n=8, window=16",
    "deepconf-online": "warm_up=4, max_samples=10, window=16, batch=2",
    "dvts": "n=4, width=2, verifier=judge",
    "explore-execute": "plans=3, least_before=0, prompts=tiny",
    "dynasor": "every=12",
    "trimr": "send_every=8, markers=tiny",
    "pets": "average=4, max_samples=8",
    "plan-and-budget": "prompts=tiny",
    "scale-selective": "decompositions=2, prepare=false, prompts=tiny",
    "sticker": "rounds=1, chains=2, thinking=true, prompts=tiny",
    "parathinker": "paths=3, prompts=tiny",
    "re2": "prompts=tiny",
    "self-refine": "rounds=2, prompts=tiny",
    "v1": "n=4, budget=1, prompts=tiny",
}
IN_TORCH = {"atts": ("draft", "target"), "atts-marginal": ("draft", "target")}
EXTRA = 2  # decode steps that the estimate for a sample stopped on its way may be wrong by


def configured(name: str, folder: Any) -> str:
    if name == "pets-online":
        from ttscale.methods.allocation.pets_table import fit_table

        rng = random.Random(0)
        pools = [[rng.choice("AAB") for _ in range(64)] for _ in range(10)]
        fit_table(pools, 4, max_samples=8).save(folder / "table.json")
        return f"pets-online(table='{folder / 'table.json'}', max_samples=8)"
    method = METHODS[name]
    if name in SMALL:
        return f"{name}({SMALL[name]})"
    return f"{name}({method.card.draws}=8)" if method.card.draws else name


def engines(name: str) -> dict[str, Engine]:
    if name not in IN_TORCH:
        return {"main": LlamaCpp(bundled_models()["tiny"].path, slots=SLOTS, threads=1)}
    if not all(map(find_spec, ("torch", "transformers"))):
        pytest.skip("needs the extra torch")
    folders = {
        role: bundled_models()["tiny"].path.with_name(size)
        for role, size in (("draft", "small"), ("target", "base"))
    }
    made = {role: open_model(f"transformers:{folder}?batch=8")[0].make() for role, folder in folders.items()}
    return {"main": made["target"], **made}


async def answers(name: str, spec: str, asked: list[Problem]) -> tuple[list[Outcome], Run, int]:
    """Outcomes, the run, and the tokens the server says it generated (-1 if it does not count)."""
    opened = engines(name)
    chosen = parse(spec)
    run = Run(opened, seed=1)
    for engine in set(opened.values()):
        await engine.open()
    try:
        budget = Budget(tokens=4000)
        if chosen.card.scope == "set":
            outcomes = await run.answer_set(chosen, asked)
        else:
            outcomes = [await run.answer(chosen, p, budget=budget) for p in asked]
        main = opened["main"]
        counted = await main.tokens_predicted() if isinstance(main, LlamaCpp) else -1
    finally:
        for engine in set(opened.values()):
            await engine.close()
    return outcomes, run, counted


def assert_forced(outcomes: list[Outcome]) -> None:
    """Thinking ends at its limit to the token, and an early end was ignored where there was room."""
    for outcome in outcomes:
        *rounds, _ = outcome.traces
        thought = sum(t.tokens for t in rounds)
        assert outcome.extra["thinking_tokens"] == thought <= FORCED
        assert outcome.stopped_by == ("max_thinking" if thought == FORCED else "thinking_ended")
        assert outcome.extra["ignored"] == len(rounds) - 1
    assert any(outcome.stopped_by == "max_thinking" for outcome in outcomes)


@pytest.mark.parametrize("name", METHODS)
def test_it_answers_and_reports_what_was_generated(name, tmp_path):
    task = load_task("lab:arith?level=1", n=4)
    outcomes, run, counted = asyncio.run(answers(name, configured(name, tmp_path), task.problems))
    right = [bool(p.correct(o.answer)) for p, o in zip(task.problems, outcomes, strict=True)]
    assert sum(right) >= 2, [(p.reference, o.answer) for p, o in zip(task.problems, outcomes)]
    usage = run.usage
    assert usage.completion_tokens > 0
    assert all(0 < o.usage.sequential_tokens <= usage.completion_tokens for o in outcomes)
    if name == "budget-forcing":
        assert_forced(outcomes)
    if counted >= 0:
        stopped = sum(t.finish in ("cancelled", "cut") for o in outcomes for t in o.traces)
        assert abs(counted - usage.completion_tokens) <= EXTRA * stopped
