"""Self-Refine: who sees what, when it stops, and what it reduces to."""

from __future__ import annotations

import pytest
from fakes import Scripted, answer, said

from ttscale.core import Budget, GenerationRequest, Trace
from ttscale.methods.refinement.self_refine import Config, self_refine
from ttscale.methods.registry import parse


def world(drafts: list[str | None], feedback: list[str]) -> Scripted:
    def play(call: GenerationRequest) -> Trace:
        made = [c.role for c in engine.calls].count(call.role) - 1
        return Trace(feedback[made], 5) if call.role == "critic" else said(drafts[made])

    engine = Scripted(play, capabilities=("text",))
    return engine


def test_a_draft_is_rewritten_until_the_critic_is_content() -> None:
    engine = world(["a", "b", "right"], ["Step 2 is off.", "Now step 3 is.", "NO CHANGES"])
    outcome = answer(engine, self_refine, Config())
    assert (outcome.answer, outcome.stopped_by) == ("right", "content")
    assert outcome.extra["answers"] == ["a", "b", "right"]
    assert outcome.usage.verifier_tokens == 15


def test_a_rewrite_sees_every_draft_and_all_feedback_in_order() -> None:
    engine = world(["a", "b", "right"], ["Step 2 is off.", "Now step 3 is.", "no changes."])
    answer(engine, self_refine, Config())
    told = [call for call in engine.calls if call.role == "main"][-1].prompt.text
    places = [told.index(text) for text in ("{a}", "Step 2 is off.", "{b}", "Now step 3 is.")]
    assert places == sorted(places)


@pytest.mark.parametrize("feedback", ["No, changes are needed", "Yesterday's step", "Incorrect.", ""])
def test_only_the_agreed_words_end_it(feedback: str) -> None:
    engine = world(["a", "b"], [feedback])
    assert answer(engine, self_refine, Config(rounds=1)).answer == "b"


@pytest.mark.parametrize("rounds", [0, 1, 4])
def test_there_are_at_most_two_calls_a_round(rounds: int) -> None:
    engine = world(["a"] * 5, ["no"] * 4)
    assert answer(engine, self_refine, Config(rounds=rounds)).stopped_by == "all_rounds"
    assert len(engine.calls) == 1 + 2 * rounds


def test_no_round_or_a_content_critic_is_plain_decoding() -> None:
    plain = parse("simple")
    other = answer(world(["a"], []), plain.method, plain.cfg)
    none = answer(world(["a"], []), self_refine, Config(rounds=0))
    content = answer(world(["a"], ["No changes"]), self_refine, Config())
    assert (none.answer, none.traces) == (other.answer, other.traces)
    assert (content.answer, content.winner) == (other.answer, other.winner)


def test_a_rewrite_without_an_answer_leaves_the_draft_before_it() -> None:
    outcome = answer(world(["a", None], ["no"]), self_refine, Config(rounds=1))
    assert (outcome.answer, outcome.winner.tokens) == ("a", 10)  # type: ignore[union-attr]


def test_a_budget_leaves_the_last_draft() -> None:
    engine = world(["a", "b", "c"], ["no"] * 3)
    assert answer(engine, self_refine, Config(), budget=Budget(tokens=27)).answer == "b"
