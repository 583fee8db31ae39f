"""SCALE: think at length about the hard steps of a question only.

arXiv:2512.00466 (AAAI 2026). Of a problem P, with threshold t:

    (conditions, question) = prepare(P)                       one call
    D* = the best of k decompositions, by the model itself    k calls and one; last step becomes `question`
    d_i = difficulty of step i, in [0, 1]                     a call each; that of the last step is 0.9
    answer_i = System 1 if d_i <= t, else System 2            each sees the earlier steps and their answers
    the answer is that of the last step

System 1 is the model with thinking off, or the role "fast"; System 2 thinks. As the last step has 0.9, no
step is System 2 from t = 0.9 on, as released. Only visible answers are passed on, never thinking.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from ...answers import reply_of
from ...core import AtLeast, Card, Context, Outcome, Problem, Trace, Within, declared
from ...core.cards import roles
from ..parsing import json_object, number_within, numbered
from ..prompts import PromptFile
from ..registry import method

PROMPTS = PromptFile(
    __file__,
    prepare=(),
    decompose=(),
    choose=("versions",),
    rate=("done", "step"),
    done=("number", "step", "answer", "value"),
    solve=("conditions", "done", "number", "step"),
    solve_quickly=("conditions", "done", "number", "step"),
    last=("conditions", "done", "number", "step"),
    last_quickly=("conditions", "done", "number", "step"),
)
LAST = 0.9  # the difficulty of the last step, whatever it is
UNREADABLE = 1.0  # the difficulty of a step that is not rated in time
TRIES = 3
MOST_STEPS = 16  # what a model lists beyond this is a loop
PREPARE_TOKENS, RATE_TOKENS = 1024, 64
_KEY = re.compile(r"step\s*(\d+)", re.IGNORECASE)
_RATED = re.compile(r"^(.*\S)\s*\((0?\.\d+)\)$")
_NO_THINKING: Mapping[str, Any] = {"chat_template_kwargs": {"enable_thinking": False}}

CARD = Card(
    name="scale-selective",
    title="SCALE: thinking for the hard steps only",
    paper="arXiv:2512.00466",
    what="sequential",
    stimulation="mixture",
    verification="process",
    verification_source="self-evaluation",
    verification_use=("select",),
    domain=("math",),
    knob="threshold",
    stops="the last step is answered",
    needs={"main": roles.answers("text"), "fast": roles.answers("text")},
    files=("prompts",),
    deviations=(
        "A step that is not rated in three tries counts as hard; the released code asks for ever.",
        "Without a decomposition that can be read the question is one step; the released code fails.",
        "The final answer is found by the problem's rule, not by two calls of a model.",
        "A decomposition whose steps end with a rating (the bundled reasoner's) is not rated again.",
    ),
    aliases=("scale",),
)


@declared
class Config:
    """How a question is split, and which steps are hard.

    Attributes:
        threshold: steps of a difficulty above it are thought about (0.5 as released).
        decompositions: k; one needs no choice among them.
        prepare: whether conditions and question are told apart first.
        rating: sees the texts of the earlier steps only, before any is solved ("steps", as released), or
            their answers too, one step after the other ("answers", as written).
        switch: how thinking is turned off for System 1: by the chat template's `enable_thinking`, or not
            at all, where the role "fast" is another model or its prompts do it.
        temperature, top_p, top_k: as released.
        max_tokens: of each step (32768 as released); None means no limit.
        prompts: file of the words it uses, or the name of a set ("auto", "paper", "tiny").
        templates: single ones in their place; see `methods/prompts.py`.
    """

    threshold: Annotated[float, Within(0, 1)] = 0.5
    decompositions: Annotated[int, AtLeast(1)] = 8
    prepare: bool = True
    rating: Literal["steps", "answers"] = "steps"
    switch: Literal["template", "none"] = "template"
    temperature: Annotated[float, AtLeast(0)] | None = 0.6
    top_p: Annotated[float, Within(0, 1)] | None = 0.95
    top_k: Annotated[int, AtLeast(0)] | None = 20
    max_tokens: Annotated[int, AtLeast(1)] | None = None
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)

    @property
    def sampling(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "top_p": self.top_p, "top_k": self.top_k}

    @property
    def quickly(self) -> dict[str, Any]:
        """Sampling of System 1."""
        return {**self.sampling, "extra": _NO_THINKING} if self.switch == "template" else self.sampling


@dataclass(slots=True)
class Step:
    """A step of the question; `difficulty` is None until it is rated."""

    text: str
    difficulty: float | None = None
    slow: bool = False


@method(card=CARD)
async def scale_selective(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Split, rate, and answer the steps in order, the hard ones with thinking."""
    fallbacks: Counter[str] = Counter()
    conditions, question = await _prepared(problem, ctx, cfg, fallbacks)
    steps = await _decomposed(problem, ctx, cfg, fallbacks)
    steps[-1] = Step(question, LAST)
    if cfg.rating == "steps":
        await _rate_all(problem, ctx, cfg, steps, fallbacks)
    done, trace = "", None
    for number, step in enumerate(steps, 1):
        if step.difficulty is None:
            step.difficulty = await _rated(problem, ctx, cfg, done, step.text, fallbacks)
        step.slow = step.difficulty > cfg.threshold
        trace = await _answered(problem, ctx, cfg, step, number, number == len(steps), conditions, done)
        done += _noted(problem, ctx, cfg, step, number, trace) + "\n"
    assert trace is not None
    extra = {
        "steps": [step.text for step in steps],
        "difficulties": [step.difficulty for step in steps],
        "slow": sum(step.slow for step in steps),
        "fallbacks": dict(fallbacks),
    }
    return Outcome(problem.answer(trace), trace, "answered", extra)


async def _prepared(problem: Problem, ctx: Context, cfg: Config, fallbacks: Counter[str]) -> tuple[str, str]:
    """(what is given, what is asked); the problem's own text for both where they are not told apart."""
    whole = problem.prompt.text
    if not cfg.prepare:
        return whole, whole
    say = PROMPTS.chosen(cfg, ctx, "fast")
    reply = await ctx.sample(
        say("prepare", problem), "fast", part="plan", max_tokens=PREPARE_TOKENS, **cfg.quickly
    )
    found = json_object(_finished(reply)) or {}
    conditions, question = found.get("conditions"), found.get("question")
    if not isinstance(conditions, str) or not isinstance(question, str) or not question.strip():
        fallbacks["prepare"] += 1
        return whole, whole
    return conditions, question


async def _decomposed(problem: Problem, ctx: Context, cfg: Config, fallbacks: Counter[str]) -> list[Step]:
    """The steps of the best decomposition, at least one."""
    say = PROMPTS.chosen(cfg, ctx, "fast")
    prompt = say("decompose", problem)
    versions: list[list[Step]] = []
    for _ in range(TRIES):
        missing = cfg.decompositions - len(versions)
        replies = await ctx.sample_all(prompt, missing, "fast", part="plan", **cfg.quickly)
        versions += [steps for reply in replies if (steps := steps_of(_finished(reply)))]
        if len(versions) == cfg.decompositions:
            break
    if not versions:
        fallbacks["decompose"] += 1
        return [Step("")]
    if len(versions) == 1:
        return versions[0]
    listed = "\n\n".join(
        f"Version {number}:\n" + "\n".join(f"{k}. {step.text}" for k, step in enumerate(steps, 1))
        for number, steps in enumerate(versions, 1)
    )
    for _ in range(TRIES):
        prompt = say("choose", problem, versions=listed)
        verdict = await ctx.sample(prompt, "fast", part="verdict", max_tokens=RATE_TOKENS, **cfg.quickly)
        number = number_within(_finished(verdict), 1, len(versions))
        if number is not None:
            return versions[int(number) - 1]
    fallbacks["choose"] += 1
    return versions[0]


def steps_of(reply: str) -> list[Step]:
    """The steps of a decomposition: JSON with keys step1, step2, ..., or a numbered list, whose entries may
    end with a rating in brackets; none if it is neither."""
    found = json_object(reply)
    if found is not None:
        keyed = [(int(key[1]), str(text)) for name, text in found.items() if (key := _KEY.fullmatch(name))]
        texts = [text.strip() for _, text in sorted(keyed) if text.strip()]
        return [Step(text) for text in texts[:MOST_STEPS]]
    steps = []
    for entry in numbered(reply)[:MOST_STEPS]:
        rated = _RATED.match(entry.splitlines()[0])
        steps.append(Step(rated[1], float(rated[2])) if rated else Step(entry))
    return steps


async def _rate_all(
    problem: Problem, ctx: Context, cfg: Config, steps: Sequence[Step], fallbacks: Counter[str]
) -> None:
    """Rate every step that has no difficulty yet by the texts before it, all at once."""

    async def rate(branch: Context, place: int) -> None:
        before = "\n".join(step.text for step in steps[:place])
        steps[place].difficulty = await _rated(problem, branch, cfg, before, steps[place].text, fallbacks)

    await ctx.map(rate, [place for place, step in enumerate(steps) if step.difficulty is None])


async def _rated(
    problem: Problem, ctx: Context, cfg: Config, done: str, step: str, fallbacks: Counter[str]
) -> float:
    """How hard a step is, in [0, 1]."""
    prompt = PROMPTS.chosen(cfg, ctx, "fast")("rate", problem, done=done, step=step)
    for _ in range(TRIES):
        reply = await ctx.sample(prompt, "fast", part="verdict", max_tokens=RATE_TOKENS, **cfg.quickly)
        difficulty = number_within(_finished(reply), 0, 1)
        if difficulty is not None:
            return difficulty
    fallbacks["rate"] += 1
    return UNREADABLE


async def _answered(
    problem: Problem,
    ctx: Context,
    cfg: Config,
    step: Step,
    number: int,
    last: bool,
    conditions: str,
    done: str,
) -> Trace:
    """A step's reply, by the system that its difficulty calls for."""
    role, sampling = ("main", cfg.sampling) if step.slow else ("fast", cfg.quickly)
    name = ("last" if last else "solve") + ("" if step.slow else "_quickly")
    prompt = PROMPTS.chosen(cfg, ctx, role)(
        name, problem, conditions=conditions, done=done, number=str(number), step=step.text
    )
    part = "answer" if last else "step"
    return await ctx.sample(prompt, role, part=part, max_tokens=cfg.max_tokens, **sampling)


def _noted(problem: Problem, ctx: Context, cfg: Config, step: Step, number: int, trace: Trace) -> str:
    """A step and its visible answer, as later steps are shown it."""
    answer = reply_of(trace).strip() or "(none)"
    value = problem.rule.extract(trace) or answer
    say = PROMPTS.chosen(cfg, ctx)
    return say.text("done", problem, number=str(number), step=step.text, answer=answer, value=value)


def _finished(trace: Trace) -> str:
    return reply_of(trace) if trace.finish == "stop" else ""
