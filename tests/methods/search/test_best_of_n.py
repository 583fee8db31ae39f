"""Best-of-N, plain and weighted, and what it reduces to."""

from __future__ import annotations

import pytest
from fakes import Scripted, answer, said
from hypothesis import given
from hypothesis import strategies as st

from ttscale.methods.registry import parse
from ttscale.methods.search.best_of_n import Config, best_of_n
from ttscale.methods.voting.self_consistency import Config as VoteConfig
from ttscale.methods.voting.self_consistency import self_consistency


def scored(entries, **cfg):
    engine = Scripted(
        [said(a, 10 + i, reward=v) for i, (a, v) in enumerate(entries)], rewards=lambda t: t.reward
    )
    return answer(engine, best_of_n, Config(n=len(entries), **cfg))


def test_plain_takes_the_best_sample_and_weighted_the_best_scored_answer():
    entries = [("A", 0.91), ("B", 0.62), ("B", 0.63)]
    plain, weighted = scored(entries), scored(entries, weighted=True)
    assert (plain.answer, plain.winner.tokens) == ("A", 10)
    assert (weighted.answer, weighted.winner.tokens) == ("B", 12)  # B's better sample speaks for it
    # scores are summed, not counted
    assert scored([("B", 0.4), ("B", 0.5), ("A", 0.91)], weighted=True).answer == "A"


@given(st.lists(st.sampled_from(["A", "B", "C", None]), min_size=1, max_size=12))
def test_constant_scores_turn_the_weighted_form_into_a_vote(answers):
    weighted = scored([(a, 0.5) for a in answers], weighted=True)
    script = Scripted([said(a, 10 + i) for i, a in enumerate(answers)])
    vote = answer(script, self_consistency, VoteConfig(n=len(answers)))
    assert weighted.answer == vote.answer


@given(st.lists(st.tuples(st.sampled_from("AB"), st.floats(0, 1)), min_size=1, max_size=8))
def test_plain_is_the_largest_score_the_first_of_equals(entries):
    best = max(range(len(entries)), key=lambda i: entries[i][1])
    outcome = scored(entries)
    assert outcome.winner.tokens == 10 + best
    assert outcome.answer == entries[best][0]


def test_samples_without_an_answer_are_not_judged():
    judged = []
    engine = Scripted(
        [said(None), said("A"), said("B", finish="length")], rewards=lambda t: judged.append(t.text) or 0.1
    )
    assert answer(engine, best_of_n, Config(n=3)).answer == "A"
    assert len(judged) == 1


def test_the_verifiers_tokens_are_charged_apart():
    engine = Scripted([said("A", 10), said("B", 20)], rewards=lambda t: 0.5)
    usage = answer(engine, best_of_n, Config(n=2)).usage
    assert usage.verifier_tokens == usage.by["prm"].scored_tokens == 30
    assert (usage.completion_tokens, usage.samples) == (30, 2)


def test_the_oracle_is_pass_at_n():
    engine = Scripted([said("wrong"), said("right"), said("wrong")], capabilities=("text",))
    assert answer(engine, best_of_n, Config(n=3, verifier="oracle")).answer == "right"


def test_agreement_as_a_verifier_is_the_vote():
    engine = Scripted([said(a) for a in "ABB"], capabilities=("text",))
    assert answer(engine, best_of_n, Config(n=3, verifier="agreement")).answer == "B"


@pytest.mark.parametrize("spec", ["sc(n=1)", "bon(n=1)", "ffs(n=1)", "lfs(n=1, k=1)", "esc(window=1)"])
@pytest.mark.parametrize("given_answer", ["A", None])
def test_a_vote_of_one_is_a_sample(spec, given_answer):
    def play(written):
        parsed = parse(written)
        engine = Scripted(lambda call: said(given_answer))
        return answer(engine, parsed.method, parsed.cfg)

    one, other = play("simple"), play(spec)
    assert one.answer == other.answer == given_answer
    if given_answer is not None:  # without an answer, ESC goes on to look for one
        assert one.usage.completion_tokens == other.usage.completion_tokens
