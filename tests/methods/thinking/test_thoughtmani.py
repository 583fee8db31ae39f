"""ThoughtMani: what is put in place of the thinking, when nothing is, and what it costs."""

from __future__ import annotations

import random
from statistics import fmean

import pytest
from fakes import Boxed, Scripted, answer, problem

from ttscale.core import EngineError, GenerationRequest, Outcome, Problem, Prompt, Trace, UsageError
from ttscale.core.thinking import THINK
from ttscale.methods.thinking.thoughtmani import Config, rethinking, thoughtmani
from ttscale.reproduce.worlds.thinker import spoken
from ttscale.worlds.arithmetic.problems import problem as arithmetic
from ttscale.worlds.arithmetic.verbose.overthinking import after_hints

ANSWER = ["\\boxed{right}"]
OWN = ["<think>\n", *(f"own{n} " for n in range(9)), "end.\n", "</think>", "\n\n", *ANSWER]


def models(points: str | Trace, reply: list[str] | None = None) -> dict[str, Scripted]:
    """A generator that says `points`, and a reasoner that says `reply` after a thought that is closed."""

    def reasoner(request: GenerationRequest) -> Trace:
        return spoken(reply or ANSWER) if "</think>" in request.prompt.prefix else spoken(OWN)

    given = points if isinstance(points, Trace) else Trace(points, len(points.split()) or 1)
    return {"main": Scripted(reasoner), "generator": Scripted(lambda request: given.copy())}


def test_the_key_points_stand_where_the_thinking_would():
    engines = models("1. Add.\n2. Halve. <STOP>")
    outcome = answer(engines, thoughtmani, Config())
    prompt = engines["main"].calls[0].prompt
    assert prompt.messages == problem().prompt.messages
    assert prompt.prefix == "<think>\n1. Add.\n2. Halve.\n</think>\n\n"
    assert outcome.answer == "right"
    assert outcome.winner is not None
    assert outcome.winner.text == prompt.prefix + "\\boxed{right}"
    assert (outcome.winner.tokens, outcome.usage.by["main"].completion_tokens) == (1, 1)
    assert outcome.usage.planning_tokens == outcome.extra["generator_tokens"] > 0
    assert outcome.winner.thinking == outcome.extra["thought"]
    assert "STOP" not in outcome.winner.text


# What chat templates write for a reply with finished thinking, as their authors publish them.
TEMPLATES = {
    "qwen3": ("<think>\n", "\n</think>\n\n"),
    "r1, whose template opens the thinking": ("", "\n</think>\n\n"),
    "gpt-oss": ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    "ours": (THINK.wrap("|", "").split("|")[0], THINK.wrap("|", "").split("|")[1]),
}


@pytest.mark.parametrize("family", TEMPLATES)
@pytest.mark.parametrize("thought", ["empty", "key-points"])
def test_the_block_is_the_one_the_template_writes(family, thought):
    opening, closing = TEMPLATES[family]
    engines = models("Add. <STOP>", ["\\boxed{right}"])
    engines["main"] = Scripted(lambda request: spoken(ANSWER))
    answer(engines, thoughtmani, Config(thought=thought, opening=opening, closing=closing))
    expected = "" if thought == "empty" else "Add."
    assert engines["main"].calls[0].prompt.prefix == opening + expected + closing


def test_the_bundled_tokenizer_sees_the_block_that_its_model_was_trained_on():
    pytest.importorskip("tokenizers")
    from tokenizers import Tokenizer

    from ttscale.engines.catalogue.bundled import bundled_models

    folder = bundled_models()["tiny"].path.with_name("base")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    world = arithmetic("arith", 3, 1).world
    supplied, _ = after_hints(world, random.Random(4), reopens=False)
    cfg = Config()
    ours = tokenizer.encode(cfg.opening + THINK.thinking(supplied) + cfg.closing).ids
    assert ours == tokenizer.encode(supplied).ids
    tags = [tokenizer.token_to_id(tag) for tag in (THINK.opening, THINK.closing)]
    assert [ours.count(tag) for tag in tags] == [1, 1]


@pytest.mark.parametrize("points", ["<STOP>", " \n<STOP>\n ", "", "  ", "<STOP> and more"])
def test_without_key_points_the_reasoner_is_asked_as_if_nothing_had_been_tried(points):
    plain = models("")["main"]

    async def simple(problem, ctx, cfg):
        trace = await ctx.sample(problem.prompt, temperature=0.7, top_p=0.95)
        return Outcome(problem.answer(trace), trace, "done")

    answer(plain, simple)
    engines = models(points)
    outcome = answer(engines, thoughtmani, Config())
    (ours,), (theirs,) = engines["main"].calls, plain.calls
    assert (ours.prompt, ours.sampling, ours.seed) == (theirs.prompt, theirs.sampling, theirs.seed)
    assert (outcome.extra["fallback"], outcome.extra["thought"]) == ("empty", None)
    assert outcome.usage.by["generator"].completion_tokens > 0


@pytest.mark.parametrize(
    ("given", "gate", "fallback"),
    [
        (Trace("It is \\boxed{4} <STOP>", 5), "strict", "gives an answer"),
        (Trace("It is \\boxed{4} <STOP>", 5), "mark", ""),
        (Trace("On and on", 5, finish="length"), "strict", "too long"),
        (Trace("On and on", 5, finish="length"), "mark", ""),
        (Trace("", 5), "off", ""),
        (Trace("<think>\nhm\n</think>\n\nAdd. <STOP>", 9), "strict", ""),
        (Trace("Add.", 5, finish="error", error=EngineError("down")), "off", "failed"),
    ],
)
def test_what_counts_as_no_thought(given, gate, fallback):
    engines = models(given)
    outcome = answer(engines, thoughtmani, Config(gate=gate))
    assert outcome.extra["fallback"] == fallback
    assert (outcome.extra["thought"] is None) == bool(fallback)
    assert "hm" not in engines["main"].calls[0].prompt.prefix
    assert outcome.answer == "right"


@pytest.mark.parametrize(
    ("reply", "tokens"),
    [
        (["Let ", "us ", *ANSWER], 0),
        (["<think>", "hm ", "</think>", *ANSWER], 3),
        (["hm ", "</think>", *ANSWER], 2),
        (["<think>", "hm"], 2),
        (["<think>", "a", "</think>", "b", "<think>", "c", "</think>", *ANSWER], 7),
    ],
)
def test_thinking_that_is_opened_again_is_seen_and_counted(reply, tokens):
    outcome = answer(models("Add. <STOP>", reply), thoughtmani, Config())
    assert (outcome.extra["rethinking"], outcome.extra["rethinking_tokens"]) == (tokens > 0, tokens)
    assert outcome.usage.by["main"].completion_tokens == len(reply), "all that the reasoner writes is paid"
    uncounted = Trace("".join(reply), len(reply))
    assert (rethinking(uncounted, Config()) > 0) == (tokens > 0)


def test_half_of_the_own_thinking_is_paid_for_in_full():
    engines = models("unused")
    outcome = answer(engines, thoughtmani, Config(thought="half"))
    assert not engines["generator"].calls
    assert outcome.extra["thought"] == "own0 own1 own2 own3"
    assert outcome.usage.completion_tokens == len(OWN) + 1
    assert outcome.extra["own_tokens"] == len(OWN)


def test_a_concise_instruction_changes_the_question_and_nothing_else():
    engines = models("unused")
    answer(engines, thoughtmani, Config(thought="concise"))
    (call,) = engines["main"].calls
    assert not call.prompt.prefix
    assert call.prompt.text.startswith("question p\n\nConclude quickly")


def test_the_words_can_be_replaced_and_a_place_that_is_not_known_is_refused():
    engines = models("Add. END")
    answer(
        engines,
        thoughtmani,
        Config(mark="END", templates={"key_points": "Points of {question}, then {mark}"}),
    )
    assert engines["generator"].calls[0].prompt.text == "Points of question p, then END"
    with pytest.raises(UsageError, match="level"):
        Config(templates={"key_points": "{level}"})


class Follower:
    """A reasoner that follows what it is given, right or wrong, and opens its thinking again with chance r;
    a generator that is right with chance q, and says nothing of the questions it cannot do with chance t."""

    OWN, AGAIN, POINTS, REPLY = 60, 20, 5, 4

    def __init__(self, q: float, r: float, t: float = 0.0, own: float = 0.9) -> None:
        self.q, self.r, self.t, self.own = q, r, t, own

    def engines(self) -> dict[str, Scripted]:
        return {"main": Scripted(self.reasoner), "generator": Scripted(self.generator)}

    def generator(self, request: GenerationRequest) -> Trace:
        rng = random.Random(request.seed)
        right = rng.random() < self.q
        if not right and rng.random() < self.t:
            return Trace("<STOP>", 1)
        return Trace(f"{'right' if right else 'wrong'} way <STOP>", self.POINTS)

    def reasoner(self, request: GenerationRequest) -> Trace:
        rng = random.Random(request.seed)
        thinks = "</think>" not in request.prompt.prefix
        again = not thinks and rng.random() < self.r
        right = rng.random() < self.own if thinks or again else "right way" in request.prompt.prefix
        text = f"\\boxed{{{'right' if right else 'wrong'}}}"
        tokens = self.REPLY + self.OWN * thinks + self.AGAIN * again
        return Trace(f"<think>hm</think>{text}" if again else text, tokens)


@pytest.mark.parametrize(("q", "r", "t"), [(0.6, 0.0, 0.0), (0.6, 0.4, 0.0), (0.7, 0.3, 0.8)])
def test_accuracy_and_tokens_are_the_mixture_of_thoughts_followed_rethought_and_refused(q, r, t):
    world, n = Follower(q, r, t), 200
    outcomes = [
        answer(
            world.engines(), thoughtmani, Config(), of=Problem(f"q{k}", Prompt.user("?"), Boxed(), "right")
        )
        for k in range(n)
    ]
    refused = (1 - q) * t
    followed = (1 - refused) * (1 - r)
    expected = followed * q / (1 - refused) + (1 - followed) * world.own
    right = fmean(outcome.answer == "right" for outcome in outcomes)
    assert abs(right - expected) < 4 * 0.5 / n**0.5  # chance of a false alarm below 6e-5
    spent = fmean(outcome.usage.completion_tokens for outcome in outcomes)
    tokens = refused * (1 + world.OWN) + (1 - refused) * (world.POINTS + r * world.AGAIN) + world.REPLY
    assert abs(spent - tokens) < 4 * 30 / n**0.5
    # the accounting identity: what is saved against thinking for oneself
    own = world.OWN + world.REPLY
    assert own - tokens == pytest.approx(
        (1 - refused) * (world.OWN - r * world.AGAIN) - (1 - refused) * world.POINTS - refused
    )
