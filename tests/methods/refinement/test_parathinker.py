"""ParaThinker, emulated: when paths end, what the summary sees, and what it costs."""

from __future__ import annotations

import pytest
from fakes import Scripted, Ticking, answer, said

from ttscale.core import Budget, GenerationRequest, Trace
from ttscale.methods.refinement.parathinker import Config, parathinker

LENGTHS = [50, 20, 80, 30]
SUMMARY = 7


def paths(*answers: str | None, lengths=LENGTHS, summary: str | None = "right", engine=Ticking):  # type: ignore[no-untyped-def]
    """Path k takes lengths[k] words and gives answers[k]; a summary takes SUMMARY tokens."""

    def play(call: GenerationRequest) -> Trace:
        if "Path 1" in call.prompt.text:
            return said(summary, SUMMARY)
        k = len(made.calls) - 1
        words = [f"w{k} "] * (lengths[k] - 1)
        words.append("" if answers[k] is None else f"\\boxed{{{answers[k]}}}")
        ends, at = [], 0
        for word in words:
            at += len(word)
            ends.append(at)
        return Trace("".join(words), len(words), ends=ends)

    made = engine(play, capabilities=("text",))
    return made


@pytest.mark.parametrize(("finish", "until"), [("first", 20), ("half", 30), ("last", 80)])
def test_paths_end_when_enough_have_ended(finish: str, until: int) -> None:
    """Steps are an order statistic of the lengths and the summary; tokens are those of all paths."""
    engine = paths("a", "b", "c", "d")
    outcome = answer(engine, parathinker, Config(finish=finish))  # type: ignore[arg-type]
    made = [min(length, until) for length in LENGTHS]
    assert outcome.usage.sequential_tokens == until + SUMMARY
    assert outcome.usage.completion_tokens == sum(made) + SUMMARY == engine.generated
    assert outcome.extra["path_tokens"] == made
    assert outcome.answer == "right"


def test_the_summary_sees_every_path_in_order_also_those_that_were_cut() -> None:
    engine = paths("a", "b", "c", "d")
    answer(engine, parathinker, Config())
    told = engine.calls[-1].prompt.text
    assert [told.index(f"Path {k}:\nw{k - 1} ") for k in (1, 2, 3, 4)] == sorted(
        told.index(f"Path {k}:") for k in (1, 2, 3, 4)
    )
    assert told.count("w2") == 20  # as far as it had come
    assert "\\boxed{b}" in told
    assert "\\boxed{a}" not in told


def test_a_path_that_runs_out_of_space_or_fails_does_not_end_the_others() -> None:
    engine = paths("a", "b", "c", "d", lengths=[50, 60, 80, 30])
    outcome = answer(engine, parathinker, Config(max_tokens=25))
    assert outcome.extra["path_tokens"] == [25] * 4
    assert outcome.usage.sequential_tokens == 25 + SUMMARY


def test_a_summary_without_an_answer_leaves_the_vote_of_the_paths() -> None:
    outcome = answer(paths("b", "a", "a", "b", summary=None), parathinker, Config(finish="last"))
    assert (outcome.answer, outcome.stopped_by) == ("b", "vote")
    assert outcome.winner.tokens == LENGTHS[0]


def test_without_any_text_there_is_no_summary() -> None:
    engine = Scripted(lambda call: Trace("", 0, "error"), capabilities=("text",))
    outcome = answer(engine, parathinker, Config())
    assert (outcome.answer, outcome.stopped_by, len(engine.calls)) == (None, "no_path", 4)


def test_a_budget_that_ends_before_the_summary_leaves_what_the_paths_say() -> None:
    outcome = answer(paths("a", "b", "c", "d"), parathinker, Config(finish="last"), budget=Budget(tokens=180))
    assert outcome.answer == "b"  # three had ended, the first of them is b's


@pytest.mark.parametrize(("paths_", "finish", "needed"), [(1, "half", 1), (5, "half", 3), (8, "last", 8)])
def test_how_many_have_to_end(paths_: int, finish: str, needed: int) -> None:
    assert Config(paths=paths_, finish=finish).needed == needed  # type: ignore[arg-type]
