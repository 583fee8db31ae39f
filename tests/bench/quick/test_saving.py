"""What is said of savings: worked by hand, and never more than the samples tell."""

from __future__ import annotations

import pytest

from ttscale.bench.quick.replay import Replayed, Spent, candidates
from ttscale.bench.quick.saving import best_saving, in_words


def found(**methods: list[tuple[bool | None, int]]) -> Replayed:
    """By method, whether each question was right and what it took; the first is the reference."""
    spent = {
        method: {
            f"q{i}": Spent(
                right=right is True, graded=right is not None, repeats=1, tokens=tokens, sequential=tokens
            )
            for i, (right, tokens) in enumerate(questions)
        }
        for method, questions in methods.items()
    }
    return Replayed(reference=next(iter(methods)), rows=(), spent=spent)


def test_the_share_is_of_the_references_tokens():
    saving = best_saving(
        found(vote=[(True, 800), (True, 200)] * 6, early=[(True, 300), (True, 100)] * 6), "tokens"
    )
    assert (saving.method, saving.share) == ("early", 0.6)
    assert (saving.each, saving.reference_each) == (200, 500)
    assert 0.5 <= saving.low <= 0.6 <= saving.high <= 0.625
    assert saving.difference.low < 0 < saving.difference.high
    assert "A loss of up to" in in_words(found(vote=[(True, 800)] * 12, early=[(True, 300)] * 12), "tokens")


def test_a_cheaper_method_that_is_less_often_right_saves_nothing():
    told = in_words(found(vote=[(True, 800)] * 10, cheap=[(True, 100)] * 9 + [(False, 100)]), "tokens")
    assert told.startswith("Nothing would have saved you tokens")


def test_a_method_that_spends_less_on_average_only_may_not_save():
    uneven = [(True, 10)] * 7 + [(True, 900), (True, 700), (True, 600)]
    assert best_saving(found(vote=[(True, 230)] * 10, uneven=uneven), "tokens") is None


@pytest.mark.parametrize(("right", "said"), [(False, "cannot be told"), (None, "is not known")])
def test_nothing_is_said_where_nothing_can_be(right, said):
    told = in_words(found(vote=[(right, 800)] * 10, cheap=[(right, 100)] * 10), "tokens")
    assert said in told
    assert "would have saved you" not in told


def test_what_was_chosen_by_chance_is_seen_on_the_other_half():
    # `lucky` is right on the even questions, where it is chosen, and wrong on a few of the odd ones
    lucky = [(True, 100), (True, 100)] * 6
    vote = [(True, 800)] * 12
    vote[0] = vote[2] = (False, 800)
    lucky[1] = lucky[3] = (False, 100)
    saving = best_saving(found(vote=vote, lucky=lucky), "tokens")
    assert saving.difference.value == 0
    assert saving.elsewhere is None, "chosen on the odd questions it saves nothing"


def test_only_what_a_pool_of_plain_samples_can_answer_is_a_candidate():
    plain = {m.label.partition("(")[0] for m in candidates(8, frozenset({"text"}))}
    assert plain == {"sc", "simple", "ffs", "adaptive-consistency", "esc"}
    more = {m.label.partition("(")[0] for m in candidates(8, frozenset({"text", "logprobs", "reward"}))}
    assert more - plain == {"deepconf", "deepconf-online", "best-of-n"}
    assert all((m.max_samples() or 1) <= 2 for m in candidates(2, frozenset({"text"})))
