"""Sticker-TTS in a world of facts whose accuracy by round is known, and with scripted roles."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import Scripted, answer, problem, said

from ttscale.core import GenerationRequest, Outcome, Run, Trace, run_in_token_time
from ttscale.methods import registry
from ttscale.methods.refinement.sticker import Config, Sticker, read, sticker
from ttscale.reproduce.worlds.facts import Facts

WORLD = Facts(n=6, a=0.5, f=0.2, m=0.7, e=0.05, x=0.1)


def accuracy(world: Facts, runs: int = 400, **settings: object) -> float:
    run, cfg = Run({"main": world.engine()}), Config(**settings)

    async def main() -> list[Outcome]:
        return [await run.answer(sticker.bind(cfg), problem(f"q{i}")) for i in range(runs)]

    return float(np.mean([outcome.answer == "right" for outcome in run_in_token_time(main())]))


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_each_round_is_right_by_the_chain_of_its_facts(rounds) -> None:
    # 400 questions: a standard error of at most .025; at 4 of them a false alarm in 16,000
    assert accuracy(WORLD, rounds=rounds) == pytest.approx(WORLD.accuracy(rounds), abs=0.1)


def test_with_a_good_modifier_rounds_help_and_with_none_false_facts_stay() -> None:
    assert WORLD.accuracy(5) > WORLD.accuracy(1) > WORLD.accuracy(0) + 0.05
    poisoned = Facts(n=6, a=0.5, f=0.4, m=0.0, x=0.2)
    false = [poisoned.states(rounds)[1] for rounds in range(6)]
    assert false == sorted(false)
    assert poisoned.accuracy(5) < poisoned.accuracy(0)
    known = Facts(n=6, a=0.99, f=0.0, m=0.7)
    assert known.accuracy(3) - known.accuracy(0) < 0.02


def test_a_wrong_fact_forces_no_more_wrong_answers_than_its_weight() -> None:
    """All other facts are known: with one that is false the share of right answers is v, and no less."""
    one_false = Facts(n=6, a=1.0, f=0.0, m=0.0, v=0.3)
    listed = "\n".join(f"{k}. {'false' if k == 1 else 'true'} {k - 1}" for k in range(1, 7))

    def script(request: GenerationRequest) -> Trace:
        if request.role in ("extractor", "modifier"):
            return Trace(f"Conditions:\n{listed}\nQuestion:\nwhich?", 10)
        return one_false._reply(request)

    answers = [
        answer(Scripted(script), sticker, Config(rounds=1), of=problem(f"q{i}"), seed=i).answer
        for i in range(300)
    ]
    assert answers.count("right") / 300 == pytest.approx(0.3, abs=0.11)  # 4 standard errors


@pytest.mark.parametrize(("settings", "plain"), [({}, "simple"), ({"chains": 5}, "sc(n=5)")])
def test_without_rounds_it_is_plain_sampling_to_the_byte(settings, plain) -> None:
    method = registry.parse(plain)
    for seed in range(5):
        one = answer(WORLD.engine(), sticker, Config(rounds=0, **settings), seed=seed)
        other = answer(WORLD.engine(), method.method, method.cfg, seed=seed)
        assert (one.answer, one.traces, one.usage) == (other.answer, other.traces, other.usage)


class Cast(Scripted):
    """Three roles: what the extractor and the modifier say, each time they are asked."""

    def __init__(self, extracts: list[str], modifies: list[str]) -> None:
        self.texts = {"extractor": list(extracts), "modifier": list(modifies)}
        super().__init__(self.play)

    def play(self, request: GenerationRequest) -> Trace:
        if request.role in self.texts:
            texts = self.texts[request.role]
            return Trace(texts.pop(0) if len(texts) > 1 else texts[0], 5)
        return Trace("<think>\nlong secret\n</think>\n\nwork \\boxed{right}", 20)

    def shown_to(self, role: str) -> list[str]:
        return [call.prompt.text for call in self.calls if call.role == role]


NOTED = "Conditions:\n1. x is even\nQuestion:\nwhat is x?"
MENDED = "Conditions:\n1. x is odd\n2. x > 3\nQuestion:\nwhat is x?"


def test_the_sticker_goes_from_extractor_to_modifier_to_utiliser_which_sees_no_attempt() -> None:
    cast = Cast([NOTED], [MENDED])
    outcome = answer(cast, sticker, Config(rounds=1))
    (attempt,), (noted,) = cast.shown_to("extractor"), cast.shown_to("modifier")
    first, second = cast.shown_to("main")
    assert "work \\boxed{right}" in attempt
    assert "secret" not in attempt
    assert "1. x is even" in noted
    assert "work" not in noted
    assert first == "question p"
    assert "1. x is odd\n2. x > 3" in second
    assert "work" not in second
    assert "x is even" not in second
    assert outcome.usage.completion_tokens == 20 + 5 + 5 + 20
    assert outcome.usage.sequential_tokens == 50


@pytest.mark.parametrize(
    ("extracts", "modifies", "shown", "fallbacks"),
    [
        (["none", "none"], [MENDED], [None, None], {"extract": 2}),
        (["none", NOTED], [MENDED], ["x is odd", "x is odd"], {}),  # read in the second try
        ([NOTED, "none"], [MENDED], ["x is odd", "x is odd"], {"extract": 1}),  # the one before stands
        ([NOTED], ["none"], ["x is even", "x is even"], {"modify": 2}),
    ],
)
def test_a_sticker_that_cannot_be_read_falls_back_and_is_counted(
    extracts, modifies, shown, fallbacks
) -> None:
    cast = Cast(extracts, modifies)
    outcome = answer(cast, sticker, Config(rounds=2))
    later = cast.shown_to("main")[1:]
    for text, expected in zip(later, shown, strict=True):
        assert (text == "question p") if expected is None else (expected in text)
    assert outcome.extra["fallbacks"] == fallbacks


def test_a_chain_may_end_once_two_answers_agree() -> None:
    outcome = answer(Cast([NOTED], [MENDED]), sticker, Config(rounds=5, agree=True))
    assert outcome.extra["answers"] == [["right", "right"]]


def test_the_last_answers_vote_or_those_of_all_rounds() -> None:
    def script(request: GenerationRequest) -> Trace:
        if request.role in ("extractor", "modifier"):
            return Trace(NOTED, 5)
        return said("first" if request.prompt.text == "question p" else "later")

    last = answer(Scripted(script), sticker, Config(rounds=1, chains=2))
    assert last.answer == "later"
    every = answer(Scripted(script), sticker, Config(rounds=1, chains=2, aggregate="all"))
    assert every.answer == "first"  # two each: the first of equals


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (NOTED, Sticker(("x is even",), "what is x?")),
        ("So:\n\n**Conditions**\n1) x is\n   even\n\n**Question**\nx?", Sticker(("x is even",), "x?")),
        (
            "1. Tom has 5 apples.\n2. 5+3=8\nQuestion: How many?",
            Sticker(("Tom has 5 apples.", "5+3=8"), "How many?"),
        ),
        ("Conditions:\n(none)\nQuestion: x?", Sticker((), "x?")),
        ("1. x is even", None),
        ("", None),
    ],
)
def test_stickers_are_read_in_the_forms_models_write(reply, found) -> None:
    assert read(reply) == found
