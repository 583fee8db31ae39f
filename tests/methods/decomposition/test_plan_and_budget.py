"""Plan-and-Budget with a scripted planner: what each form says, what it costs, and what it falls back to."""

from __future__ import annotations

import pytest
from fakes import Boxed, Scripted, answer

from ttscale.core import GenerationRequest, Outcome, Problem, Prompt, Trace, UsageError
from ttscale.methods.decomposition.plan_and_budget import Config, plan_and_budget

PLAN = "Here:\n\n1. Find x\nHint: isolate it\n2. Double x\nHint: add\n3. Add one"
CREDITS = '```json\n{"level": 3, "levels": [1, 2, 3], "credits": [20, 30, 50]}\n```'


def engine(plan: str = PLAN, credits: str = CREDITS) -> Scripted:
    def script(request: GenerationRequest) -> Trace:
        asked = request.prompt.text
        if request.role == "planner":
            return Trace(plan, 30) if "two to five" in asked else Trace(credits, 12)
        return Trace("so it is \\boxed{right}", 40)

    return Scripted(script)


def solved(e: Scripted, of: Problem | None = None, **settings: object) -> tuple[Outcome, list[str]]:
    """The outcome, and what was asked."""
    outcome = answer(e, plan_and_budget, Config(**settings), of=of)
    return outcome, [call.prompt.text for call in e.calls]


def test_steps_are_told_with_their_words_in_one_call() -> None:
    outcome, asked = solved(engine())
    assert outcome.answer == "right"
    assert len(asked) == 3
    assert "not known" in asked[0]
    assert outcome.extra["level"] == 3
    assert outcome.extra["budgets"] == [180, 120, 50]
    for line in ("1. Find x", "within 180 words", "2. Double x", "within 120 words", "within 50 words"):
        assert line in asked[2]
    assert outcome.extra["fallbacks"] == {}


def test_the_planners_tokens_are_counted_and_kept_apart() -> None:
    outcome, _ = solved(engine())
    assert outcome.usage.planning_tokens == 42
    assert outcome.usage.completion_tokens == 82


FORMS = [
    ("vanilla", 1, [], ["1. Find x", "words"]),
    ("budget", 2, ["fewer than 350 words"], ["1. Find x"]),
    ("plan", 3, ["1. Find x"], ["words"]),
    ("plan-budget", 3, ["1. Find x", "fewer than 350 words in all"], ["within"]),
    ("uniform", 3, ["1. Find x", "within 116 words"], []),
]


@pytest.mark.parametrize(("form", "calls", "there", "absent"), FORMS)
def test_the_forms_it_is_compared_with_say_less(form, calls, there, absent) -> None:
    e = engine(credits="3" if form == "budget" else CREDITS)
    _, asked = solved(e, form=form)
    assert len(asked) == calls
    assert all(text in asked[-1] for text in there)
    assert not any(text in asked[-1] for text in absent)


def test_step_by_step_each_sees_the_answers_before_it_and_the_last_puts_them_together() -> None:
    outcome, asked = solved(engine(), solving="sequential")
    assert len(asked) == 2 + 3 + 1
    assert "Its answer" not in asked[2]
    assert "Sub-question 1: Find x" in asked[3]
    assert "within 120 words" in asked[3]
    assert asked[5].count("Its answer: right") == 3
    assert outcome.usage.sequential_tokens == outcome.usage.completion_tokens == 42 + 4 * 40
    assert outcome.extra["words"] == [4, 4, 4]


def test_the_thinking_about_a_step_is_not_passed_on() -> None:
    def script(request: GenerationRequest) -> Trace:
        if request.role == "planner":
            return Trace(PLAN if "two to five" in request.prompt.text else CREDITS, 9)
        return Trace("<think>\nsecret\n</think>\n\nit is seven", 9)

    e = Scripted(script)
    _, asked = solved(e, solving="sequential")
    assert "Its answer: it is seven" in asked[3]
    assert "secret" not in "".join(asked)


@pytest.mark.parametrize(
    ("plan", "credits", "fallbacks", "budgets"),
    [
        ("no idea", CREDITS, {"plan": 1, "credits": 1}, [350]),
        (PLAN, "no idea", {"credits": 1, "level": 1}, [225, 100, 25]),
        (PLAN, '{"level": 9, "credits": [1, 1, 1]}', {"level": 1}, [225, 100, 25]),
        (PLAN, '{"level": 2, "credits": [50, 50]}', {"credits": 1}, [161, 72, 17]),
        (PLAN, '{"level": 2, "credits": {"1": "20", "2": "30%", "3": 50}}', {}, [129, 86, 35]),
    ],
)
def test_what_cannot_be_read_is_replaced_and_counted(plan, credits, fallbacks, budgets) -> None:
    outcome, _ = solved(engine(plan, credits))
    assert outcome.answer == "right"
    assert outcome.extra["fallbacks"] == fallbacks
    assert outcome.extra["budgets"] == budgets


def test_a_plan_that_rates_itself_is_not_weighed() -> None:
    outcome, asked = solved(engine("1. 7*3 (3)\n2. 12+#1 (2)"), schedule="constant")
    assert len(asked) == 2
    assert outcome.extra["credits"] == [3, 2]
    assert outcome.extra["level"] == 3
    assert outcome.extra["budgets"] == [210, 140]


def test_the_label_is_looked_at_by_name_only() -> None:
    labelled = Problem("p", Prompt.user("?"), Boxed(), "right", meta={"level": 5})
    predicted, asked = solved(engine(), of=labelled)
    assert predicted.extra["budget"] == 350
    assert "from 1 (easy) to 5 (hard) is not known" in asked[0]
    oracle, asked = solved(engine(), of=labelled, difficulty="oracle")
    assert oracle.extra["budget"] == 600
    assert "from 1 (easy) to 5 (hard) is 5" in asked[0]
    with pytest.raises(UsageError, match="no level"):
        solved(engine(), difficulty="oracle")


def test_a_cut_reply_gives_no_answer() -> None:
    def script(request: GenerationRequest) -> Trace:
        return Trace("\\boxed{right}", 40, "stop" if request.role == "planner" else "length")

    assert answer(Scripted(script), plan_and_budget, Config()).answer is None
