"""SCALE on steps of known difficulty: a closed form over the threshold, and what is passed on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fakes import Scripted, answer, problem

from ttscale.core import GenerationRequest, Outcome, Run, Trace, run_in_token_time
from ttscale.methods.decomposition.scale_selective import Config, scale_selective, steps_of
from ttscale.reproduce.worlds.steps import Steps

WORLD = Steps(d=(0.1, 0.6, 0.3, 0.7), last=0.4, rho=0.15, c1=10, c2=100)


def run_all(world: Steps, runs: int, **settings: object) -> list[Outcome]:
    engine = world.engine()
    run, cfg = Run({"main": engine, "fast": engine}), Config(**settings)

    async def main() -> list[Outcome]:
        return [await run.answer(scale_selective.bind(cfg), problem(f"q{i}")) for i in range(runs)]

    return run_in_token_time(main())


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.65, 0.9])
def test_accuracy_and_tokens_follow_the_closed_form(threshold) -> None:
    outcomes = run_all(WORLD, 300, threshold=threshold, decompositions=2)
    hard = WORLD.hard(threshold)
    # 300 questions: a standard error of at most .029; at 4 of them a false alarm in 16,000
    assert np.mean([o.answer == "right" for o in outcomes]) == pytest.approx(WORLD.accuracy(hard), abs=0.116)
    expected = WORLD.tokens(hard) + WORLD.overhead(2)
    assert {o.usage.completion_tokens for o in outcomes} == {expected}


@pytest.mark.parametrize(("threshold", "slow"), [(1.0, 0), (0.9, 0), (0.89, 1), (0.5, 3), (0.0, 5)])
def test_from_nine_tenths_on_no_step_is_slow_and_at_nought_all_are(threshold, slow) -> None:
    (outcome,) = run_all(WORLD, 1, threshold=threshold, decompositions=1)
    assert outcome.extra["slow"] == slow == sum(WORLD.hard(threshold))


SPLIT = {"step1": "find x", "step2": "find y", "step3": "conclude"}


class Teacher(Scripted):
    """Answers each kind of request with a text that can be changed; steps with thinking and a box."""

    def __init__(self, **replies: str) -> None:
        self.replies = {
            "prepare": json.dumps({"conditions": "GIVEN", "question": "ASKED"}),
            "decompose": json.dumps(SPLIT),
            "choose": "1",
            "rate": "0.7",
            **replies,
        }
        super().__init__(self.play)

    def play(self, request: GenerationRequest) -> Trace:
        starts = {
            "Take this": "prepare",
            "You teach": "decompose",
            "Which version": "choose",
            "How hard": "rate",
        }
        asked = request.prompt.text
        kind = next((kind for start, kind in starts.items() if start in asked), "")
        if kind:
            return Trace(self.replies[kind], 4)
        return Trace("<think>\nsecret\n</think>\n\nvisible \\boxed{right}", 9)

    def solved(self) -> list[GenerationRequest]:
        """The requests of the steps themselves."""
        return [
            call
            for call in self.calls
            if call.sampling.max_tokens is None and "teach" not in call.prompt.text
        ]


def test_answers_are_passed_on_and_thinking_is_not_and_the_question_replaces_the_last_step() -> None:
    engine = Teacher()
    outcome = answer(engine, scale_selective, Config())
    first, second, last = (call.prompt.text for call in engine.solved())
    assert first.startswith("GIVEN")
    assert "find x" in first
    assert "Its answer: visible \\boxed{right}" in second
    assert "secret" not in second + last
    assert last.endswith("ASKED")
    assert "conclude" not in last
    assert outcome.extra["steps"] == ["find x", "find y", "ASKED"]
    assert outcome.extra["difficulties"] == [0.7, 0.7, 0.9]


def test_every_call_is_counted() -> None:
    outcome = answer(Teacher(), scale_selective, Config())
    # prepare, 8 splits, a choice, 2 ratings; three steps
    assert outcome.usage.completion_tokens == (1 + 8 + 1 + 2) * 4 + 3 * 9
    assert outcome.usage.planning_tokens == 9 * 4
    assert outcome.usage.verifier_tokens == 3 * 4


def test_the_fast_system_is_the_model_with_thinking_off() -> None:
    engine = Teacher(rate="0.2")
    answer(engine, scale_selective, Config())
    fast, _, slow = engine.solved()
    assert fast.sampling.extra == {"chat_template_kwargs": {"enable_thinking": False}}
    assert not slow.sampling.extra
    assert (fast.role, slow.role) == ("fast", "main")
    plain = Teacher(rate="0.2")
    answer(plain, scale_selective, Config(switch="none"))
    assert not any(call.sampling.extra for call in plain.calls)


def test_a_rating_sees_answers_only_if_it_is_asked_to() -> None:
    for rating, seen in (("steps", False), ("answers", True)):
        engine = Teacher()
        answer(engine, scale_selective, Config(rating=rating, decompositions=1))
        ratings = [call.prompt.text for call in engine.calls if "How hard" in call.prompt.text]
        assert len(ratings) == 2
        assert "find x" in ratings[1]
        assert ("Its answer" in ratings[1]) is seen


@pytest.mark.parametrize(
    ("replies", "fallbacks", "steps"),
    [
        ({"prepare": "no"}, {"prepare": 1}, 3),
        ({"decompose": "no idea"}, {"decompose": 1}, 1),
        ({"choose": "the best one"}, {"choose": 1}, 3),
        ({"rate": "hard"}, {"rate": 2}, 3),
        ({"rate": "7"}, {"rate": 2}, 3),
    ],
)
def test_what_cannot_be_read_is_tried_three_times_and_counted(replies, fallbacks, steps) -> None:
    engine = Teacher(**replies)
    outcome = answer(engine, scale_selective, Config(decompositions=2))
    assert outcome.extra["fallbacks"] == fallbacks
    assert len(outcome.extra["steps"]) == steps
    assert outcome.answer == "right"
    if "rate" in replies:
        assert outcome.extra["difficulties"] == [1.0, 1.0, 0.9]
        assert sum("How hard" in call.prompt.text for call in engine.calls) == 6


def test_a_question_of_one_step_is_one_slow_call() -> None:
    engine = Teacher(decompose=json.dumps({"step1": "all of it"}))
    outcome = answer(engine, scale_selective, Config(decompositions=1, prepare=False))
    assert outcome.extra["slow"] == 1
    assert len(engine.solved()) == 1


@pytest.mark.parametrize(
    ("reply", "texts", "ratings"),
    [
        ('```json\n{"step2": "b", "step1": "a"}\n```', ["a", "b"], [None, None]),
        (r'{"step1": "find \(x\)", "Step 2": "b", "note": "c"}', [r"find \(x\)", "b"], [None, None]),
        ("1. 7*3 (0.5)\n2. 12+#1 (0.3)\n100: 60 40", ["7*3", "12+#1"], [0.5, 0.3]),
        ("1. add\n2. multiply", ["add", "multiply"], [None, None]),
        ('{"step1": ""}', [], []),
        ("", [], []),
    ],
)
def test_decompositions_are_read_as_json_or_as_a_list(reply, texts, ratings) -> None:
    steps = steps_of(reply)
    assert [step.text for step in steps] == texts
    assert [step.difficulty for step in steps] == ratings
