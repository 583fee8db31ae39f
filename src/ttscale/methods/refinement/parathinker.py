"""ParaThinker, emulated: P paths side by side, one summary of them all.

arXiv:2509.04475. P samples of a question are made independently; as soon as enough of them have ended, the
others are cut where they are, and the model writes a summary that sees every path, whole or cut, in their
order. The answer is the summary's:

    ended >= 1 (first-finish, the paper's), P/2 (half-finish) or P (last-finish)
    steps = tokens until then + tokens of the summary;   tokens = those of all paths + of the summary

In the paper a fine-tuned model writes paths with control tokens of their own, and the summary goes on from
their joined caches. Any server can do what stands here: paths are samples, and the summary's prompt holds
them as text, which is read again and counted (the paper's baseline "re-prefill").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from ...core import Above, AtLeast, Card, Context, Outcome, Problem, Trace, Votes, Within, declared
from ...core.cards import roles
from ..prompts import PromptFile
from ..registry import method
from .revision import shown

PROMPTS = PromptFile(__file__, path=("number", "text"), summarize=("paths",))
Finish = Literal["first", "half", "last"]

CARD = Card(
    name="parathinker",
    title="ParaThinker, emulated: parallel paths and a summary of them",
    paper="arXiv:2509.04475",
    what="hybrid",
    stimulation="self-repetition",
    aggregation="fusion",
    knob="paths",
    stops="enough paths have ended, and the summary",
    needs={"main": roles.answers("text")},
    files=("prompts",),
    status="reconstruction",
    deviations=(
        "Paths are plain samples that the summary reads as text: no control tokens, thought embeddings or "
        "joined caches, and no fine-tuning.",
        "A path may write an answer of its own, where the trained model's paths only think.",
        "The summary has no fixed first sentence, which the released engine forces.",
        "Where the summary has no answer, the paths that ended vote; the outcome says so.",
    ),
)


@declared
class Config:
    """How many paths, when they end, and how long they may be.

    Attributes:
        paths: P (4 in the released example, 8 at most).
        finish: how many paths have to end before all do: one (the paper's), half of them, or all.
        max_tokens: of each path (16384 in the released example); None means no limit.
        summary_tokens: of the summary; None means no limit.
        temperature, top_p: of paths and summary, as released.
        prompts: file of templates, or a set; see `methods/prompts.py`. templates: single ones.
    """

    paths: Annotated[int, AtLeast(1)] = 4
    finish: Finish = "first"
    max_tokens: Annotated[int, AtLeast(1)] | None = None
    summary_tokens: Annotated[int, AtLeast(1)] | None = None
    temperature: Annotated[float, AtLeast(0)] | None = 0.5
    top_p: Annotated[float, Above(0), Within(0, 1)] | None = 1.0
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)

    @property
    def needed(self) -> int:
        """How many paths have to end."""
        return {"first": 1, "half": math.ceil(self.paths / 2), "last": self.paths}[self.finish]


@method(card=CARD)
async def parathinker(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Race the paths until enough have ended, then summarise all of them."""
    sampling: dict[str, Any] = {"temperature": cfg.temperature, "top_p": cfg.top_p}
    ended, cut = list[Trace](), list[Trace]()
    async with ctx.as_finished(problem.prompt, cfg.paths, max_tokens=cfg.max_tokens, **sampling) as race:
        async for path in race:
            ended.append(path)
            votes = Votes.of(problem, ended)
            ctx.offer(votes.top(), votes.winner())  # until there is a summary
            if sum(path.finish == "stop" for path in ended) >= cfg.needed:
                cut = race.stop()
                break
    paths = sorted((path for path in (*ended, *cut) if path.text), key=lambda path: path.index)
    votes = Votes.of(problem, paths)
    extra = {"path_tokens": [path.tokens for path in paths], "cut": len(cut), "vote": votes.top()}
    if not paths:
        return Outcome(None, stopped_by="no_path", extra=extra)
    say = PROMPTS.chosen(cfg, ctx)
    listed = [
        say.text("path", problem, number=str(number), text=shown(path, True))
        for number, path in enumerate(paths, 1)
    ]
    prompt = say("summarize", problem, paths="\n\n".join(listed))
    summary = await ctx.sample(prompt, max_tokens=cfg.summary_tokens, **sampling)
    if (answer := problem.answer(summary)) is not None:
        return Outcome(answer, summary, "summary", extra)
    return Outcome(votes.top(), votes.winner(), "vote", extra)
