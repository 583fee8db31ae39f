"""What comes back when a budget ends a method: what it would choose among the whole attempts there are,
never what a judge, a step or a calibration said."""

from __future__ import annotations

import pytest
from fakes import Scripted, answer, said

from ttscale.core import Budget
from ttscale.methods.registry import parse

ANSWERS = ("35", "34", "35", "36")


def judged(request):
    """Attempts of 20 to 50 tokens; a judge that writes a box of its own."""
    if request.part == "verdict":
        return said("0", 9)
    return said(ANSWERS[request.index % 4], 20 + 10 * (request.index % 4))


@pytest.mark.parametrize("tokens", [25, 60, 90, 110, 145, 155, 165])
@pytest.mark.parametrize(
    "label", ["best-of-n(n=4, verifier=judge)", "beam-search(n=4, verifier=judge)", "three-d", "sc(n=4)"]
)
def test_a_judges_word_is_never_the_answer(label, tokens):
    chosen = parse(label)
    held = answer(Scripted(judged), chosen.method, chosen.cfg, budget=Budget(tokens=tokens))
    assert held.answer in (None, *ANSWERS)
    assert held.winner is None or held.winner.part == "answer"
    assert held.usage.tokens <= tokens


def test_a_vote_that_a_budget_ends_is_the_methods_own():
    def script(request):  # the later a sample is asked for, the sooner it ends
        return said("AB"[request.index], 40 - 20 * request.index) if request.index < 2 else said("C", 500)

    for label, expected in (
        ("sc(n=3)", "A"),  # equal votes: the first asked for, though "B" ended first
        ("sc(n=3, tie=shortest)", "B"),
        ("lfs(n=3, k=1)", "A"),  # the longest that has ended
        ("ffs(n=3, k=3, tie=shortest)", "B"),
    ):
        chosen = parse(label)
        held = answer(Scripted(script), chosen.method, chosen.cfg, budget=Budget(seconds=1))
        assert (held.answer, held.stopped_by) == (expected, "budget:seconds"), label


def test_deepconf_that_a_budget_ends_votes_among_its_most_confident():
    import numpy as np

    def script(request):
        if request.index == 3:
            return said("late", 500, conf=np.full(500, 99.0, np.float32))
        level = 9.0 if request.index == 2 else 1.0
        return said("B" if request.index == 2 else "A", 10, conf=np.full(10, level, np.float32))

    chosen = parse("deepconf(n=4, keep=10, window=4)")
    held = answer(Scripted(script), chosen.method, chosen.cfg, budget=Budget(seconds=1))
    assert (held.answer, held.stopped_by) == ("B", "budget:seconds")  # two of three said A


def test_best_of_n_answers_with_the_vote_until_its_samples_are_judged():
    chosen = parse("best-of-n(n=4, verifier=judge)")
    held = answer(Scripted(judged), chosen.method, chosen.cfg, budget=Budget(tokens=145))
    assert (held.answer, held.stopped_by) == ("35", "budget:tokens")
