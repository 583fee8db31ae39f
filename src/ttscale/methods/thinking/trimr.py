"""TrimR: a verifier looks on while a model thinks, and ends thinking that has converged, got lost, or loops.

TrimR, arXiv:2505.17155, Sec. 3 and Algorithms 1 and 2. Thinking is cut into thoughts at words of
reflection. A small model that is not trained for it answers two questions, by the likelier of Yes and No:
is an answer stated in this thought, and are the answers of two adjacent such thoughts the same?
*Overthinking*: M agreements in a row end the thinking gently, with a phrase that leads to the answer.
*Underthinking*: half the budget and N thoughts without an agreeing run, and *repetition* of the same
words, end it by force. Verification runs beside the thinking, so that a stop comes some tokens late.

With thoughts that are right with probability p, and else wrong each in a way of its own, a run of L = M + 1
comes after (1 - p^L) / ((1 - p) p^L) thoughts on average.

Symbols: M = agreements, T_max = max_tokens, R_thres = budget_share, N_thres = thoughts, N_sent = sentences,
N_send = send_every.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Literal

from ...core import (
    THINK,
    AtLeast,
    Card,
    Chunk,
    Context,
    EngineError,
    Outcome,
    Problem,
    Prompt,
    Within,
    declared,
)
from ...core.cards import roles
from ...core.execution.branches import Branch, Group
from ...signals.repetition import RepeatedWords
from ...signals.segments import MARKERS, Markers, ThoughtReader, last_sentences
from ...verifiers.judge import yes_or_no
from ..prompts import PromptFile, Prompts
from ..registry import method
from .steering import SteeredReply

PROMPTS = PromptFile(__file__, conclusive=("excerpt",), same=("first", "second"), gentle=(), forced=())
CARD = Card(
    name="trimr",
    title="TrimR: thinking that has converged is ended",
    paper="arXiv:2505.17155",
    what="sequential",
    stimulation="decode",
    verification="process",
    verification_source="judge",
    verification_use=("stop",),
    knob="agreements",
    stops="M agreements in a row, a budget spent without any, or a repetition",
    needs={"main": roles.answers("text", "prefix"), "verifier": roles.judges("text")},
    files=("prompts",),
    status="reconstruction",
    deviations=(
        "Prompts, phrases, the list of markers, N_sent and the settings of the repetition rule are "
        "inferred: the appendix was not at hand.",
        "The verifier's likelier word is read from one greedily chosen token; if that is neither Yes nor No "
        "there is no verdict, and the thought is passed over.",
        "Repetition is looked for in words, since servers do not give token ids.",
        "Guidance continues the reply as its beginning; the paper forces the tokens inside its engine.",
        "A limit of tokens that is reached leaves no answer, as in the paper; without max_tokens the "
        "underthinking rule rests.",
    ),
    streams=True,
)
Stop = Literal["", "overthinking", "underthinking", "repetition"]
Family = Literal["auto", "general", "r1", "qwen", "gpt-oss", "tiny"]


@declared
class Config:
    """When thinking is ended, and how closely it is looked at.

    Attributes:
        agreements: M, agreements in a row that end the thinking (2: three thoughts with the same answer); 0
            ends it at the second thought that states an answer; None switches the rule off.
        max_tokens: T_max, tokens of the reply; None means no limit (30,000 in the paper).
        budget_share: R_thres, share of max_tokens after which a lost search is ended (0.5).
        thoughts: N_thres, thoughts that it has made by then (20).
        consensus: end it only if no three thoughts in a row have agreed (the text); false is the pseudocode.
        sentences: N_sent, last sentences of a thought that the verifier sees (3, inferred).
        send_every: N_send, tokens after which the verifier is given what there is (50).
        window: words of the repetition rule (64, inferred); None switches it off.
        times: how often they are said before it ends the thinking (3, inferred).
        shortest: words of a thought below which it is passed over (5, inferred).
        markers: words that announce a thought, as of a model family; "auto" goes by the model's prompts.
        verdict_tokens: tokens of a verdict (1: no decoding); a verifier that thinks needs more.
        opening: how thinking begins; "" if the chat template writes it.
        temperature: of the thinking; None is the model's own.
        prompts: file of templates, or a set; see `methods/prompts.py`. templates: single ones.
    """

    agreements: Annotated[int, AtLeast(0)] | None = 2
    max_tokens: Annotated[int, AtLeast(1)] | None = None
    budget_share: Annotated[float, Within(0, 1)] = 0.5
    thoughts: Annotated[int, AtLeast(1)] = 20
    consensus: bool = True
    sentences: Annotated[int, AtLeast(1)] = 3
    send_every: Annotated[int, AtLeast(1)] = 50
    window: Annotated[int, AtLeast(1)] | None = 64
    times: Annotated[int, AtLeast(2)] = 3
    shortest: Annotated[int, AtLeast(0)] = 5
    markers: Family = "auto"
    verdict_tokens: Annotated[int, AtLeast(1)] = 1
    opening: str = f"{THINK.opening}\n"
    temperature: Annotated[float, Within(0, 100)] | None = None
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)


@method(card=CARD)
async def trimr(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Think until the verifier or a rule ends it, then answer."""
    say, reply = PROMPTS.chosen(cfg, ctx), SteeredReply(problem.prompt, cfg.opening)
    family = (ctx.prompts_of() or "general") if cfg.markers == "auto" else cfg.markers
    async with ctx.group() as group:
        trimmer = Trimmer(problem, cfg, group, PROMPTS.chosen(cfg, ctx, "verifier"), MARKERS[family])
        part = await reply.extend(ctx, trimmer.feed, max_tokens=cfg.max_tokens, temperature=cfg.temperature)
        group.cancel()  # a verdict that is still to come is too late
    if part.finish == "cut":
        if not THINK.closed(reply.text):  # the engine may have been ahead
            _guide(reply, problem, say, trimmer.stop)
        left = None if cfg.max_tokens is None else max(1, cfg.max_tokens - part.tokens)
        await reply.extend(ctx, max_tokens=left, temperature=cfg.temperature)
    whole, last = reply.whole(), reply.parts[-1].finish
    stopped_by = trimmer.stop if last == "stop" and part.finish == "cut" else last
    extra = {
        "thinking_tokens": trimmer.tokens,
        "thoughts": trimmer.thoughts,
        "conclusive": trimmer.convergence.members,
        "agreeing": trimmer.convergence.run,
        "verdicts": trimmer.verdicts,
        "no_verdict": trimmer.without,
    }
    return Outcome(
        problem.answer(whole), whole, "thinking_ended" if stopped_by == "stop" else stopped_by, extra
    )


def _guide(reply: SteeredReply, problem: Problem, say: Prompts, stop: Stop) -> None:
    """Put in the words that end the thinking: gently where it has converged, else by force."""
    name = "gentle" if stop == "overthinking" else "forced"
    reply.append(say(name, problem).prefix, gap="")
    if name == "forced":
        reply.end_thinking()
        reply.text += "\n\n"


@dataclass(slots=True)
class Convergence:
    """The overthinking rule (Algorithm 1): agreements in a row among the thoughts that state an answer.

    Attributes:
        agreements: M; None never ends the thinking.
        members: thoughts that stated an answer.
        run: agreements in a row up to the last of them.
        longest: the most there were in a row.
    """

    agreements: int | None
    members: int = 0
    run: int = 0
    longest: int = 0

    def add(self, agrees: bool) -> bool:
        """One more of these thoughts, which `agrees` with the one before (of no matter for the first);
        whether the thinking has converged."""
        self.members += 1
        self.run = self.run + 1 if agrees and self.members > 1 else 0
        self.longest = max(self.longest, self.run)
        return self.agreements is not None and self.members > 1 and self.run >= self.agreements


def lost(tokens: int, thoughts: int, longest: int, cfg: Config) -> bool:
    """The underthinking rule (Algorithm 2): `tokens` and `thoughts` so far, and the most agreements in a
    row. Three agreeing thoughts are two agreements."""
    if cfg.max_tokens is None or thoughts < cfg.thoughts or tokens < cfg.budget_share * cfg.max_tokens:
        return False
    return not cfg.consensus or longest < 2


class Trimmer:
    """Looks on: cuts the thinking into thoughts, hands them to the verifier, and says when to stop.

    Attributes:
        stop: the rule that ends the thinking; "" so far.
        tokens: of the thinking, up to its end tag.
        thoughts: complete ones, the very short left out.
        convergence: what the verdicts came to.
        verdicts, without: verdicts there were, and replies that were none.
    """

    def __init__(self, problem: Problem, cfg: Config, group: Group, say: Prompts, markers: Markers) -> None:
        self._problem, self._cfg, self._group, self._say = problem, cfg, group, say
        self._reader = ThoughtReader(markers)
        self._repeated = None if cfg.window is None else RepeatedWords(cfg.window)
        self._unsent, self._since, self._tail = "", 0, ""
        self._waiting: list[str] = []
        self._verifying: Branch[None] | None = None
        self._previous = ""
        self._ended = False
        self.stop: Stop = ""
        self.tokens = self.thoughts = self.verdicts = self.without = 0
        self.convergence = Convergence(cfg.agreements)

    def feed(self, chunk: Chunk) -> bool:
        """Whether to end the thinking here."""
        if self._ended:
            return False
        self.tokens += chunk.tokens
        self._tail = self._tail[1 - len(THINK.closing) :] + chunk.text
        if THINK.closed(self._tail):
            self._ended, self.stop = True, ""
            self._group.cancel()
            return False
        cfg = self._cfg
        if self._repeated is not None and self._repeated.feed(chunk.text) >= cfg.times:
            self.stop = self.stop or "repetition"
        self._unsent += chunk.text
        self._since += chunk.tokens
        if self._since >= cfg.send_every and not self.stop:
            self._send()
            if lost(self.tokens, self.thoughts, self.convergence.longest, cfg):
                self.stop = self.stop or "underthinking"
        return bool(self.stop)

    def _send(self) -> None:
        """Hand over what there is; verdicts come when they come."""
        for thought in self._reader.feed(self._unsent):
            text = THINK.removed(thought)
            if len(text.split()) >= self._cfg.shortest:
                self.thoughts += 1
                self._waiting.append(last_sentences(text, self._cfg.sentences))
        self._unsent, self._since = "", 0
        if self._waiting and (self._verifying is None or self._verifying.task.done()):
            self._verifying = self._group.start(self._verify)

    async def _verify(self, ctx: Context) -> None:
        """Both stages for what waits, in the order of the thoughts."""
        while self._waiting and not self.stop:
            excerpts, self._waiting = self._waiting, []
            stated = await self._replies(ctx, [self._prompt("conclusive", excerpt=e) for e in excerpts])
            members = [excerpt for excerpt, yes in zip(excerpts, stated, strict=True) if yes]
            if members and not self.convergence.members:
                self.convergence.add(False)
                self._previous = members.pop(0)
            pairs = pairwise([self._previous, *members])
            agreeing = await self._replies(ctx, [self._prompt("same", first=a, second=b) for a, b in pairs])
            for member, agrees in zip(members, agreeing, strict=True):
                self._previous = member
                # no verdict counts neither way
                if agrees is not None and self.convergence.add(agrees) and not self._ended:
                    self.stop = "overthinking"
                    return

    async def _replies(self, ctx: Context, prompts: Sequence[Prompt]) -> list[bool | None]:
        """What the verifier says to each; None where it fails, or says neither yes nor no."""
        if not prompts:
            return []
        try:
            replies = await ctx.sample_all(
                prompts, 1, "verifier", part="verdict", temperature=0.0, max_tokens=self._cfg.verdict_tokens
            )
        except EngineError:  # thinking goes on without it
            found: list[bool | None] = [None] * len(prompts)
        else:
            found = [yes_or_no(reply) for reply in replies]
        self.without += found.count(None)
        self.verdicts += len(found) - found.count(None)
        return found

    def _prompt(self, name: str, **values: str) -> Prompt:
        return self._say(name, self._problem, **values)
