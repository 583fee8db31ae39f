"""The world of revisions does what its closed form says, in limits that can be worked by hand."""

import pytest

from ttscale.reproduce.protocol import Laboratory
from ttscale.reproduce.worlds.refinement import NOTES, SOLUTION, VERDICT, Refinement
from ttscale.reproduce.worlds.scripted import questions


def test_a_perfect_judge_finds_any_right_candidate():
    assert Refinement(p=0.3, r=0, s=0, j=1).accuracy(5, 1) == pytest.approx(1 - 0.7**5)


def test_one_candidate_is_a_chain_of_two_states():
    chain = Refinement(p=0.7, r=0.1, s=0.4)
    assert chain.accuracy(1, 2) == pytest.approx(0.7 * 0.6 + 0.3 * 0.1)
    assert chain.accuracy(1, 80) == pytest.approx(0.1 / 0.5)
    assert Refinement(p=0.3, r=0.3, s=0).accuracy(1, 4) == pytest.approx(1 - 0.7**4)


def test_candidates_of_a_turn_share_the_pick_they_revise():
    # all wrong in turn 1 (1/4), then all wrong again (1/4), or a right pick lost by both (1/16)
    model = Refinement(p=0.5, r=0.5, s=0.25, j=1)
    assert model.accuracy(2, 2) == pytest.approx(1 - (1 / 4 * 1 / 4 + 3 / 4 * 1 / 16))


@pytest.mark.parametrize(
    ("chances", "right"),
    [
        ({"p": 1, "r": 0, "s": 1}, {1: True, 2: False, 3: False}),
        ({"p": 0, "r": 1, "s": 0}, {1: False, 2: True, 3: True}),
        ({"p": 0, "r": 1, "s": 1}, {1: False, 2: True, 3: False}),
    ],
)
def test_certain_chances_decide_every_turn(chances, right):
    model = Refinement(**chances)
    for turns, expected in right.items():
        outcomes = Laboratory().answer(
            f"turns(turns={turns}, carry=solution, select=last)", model.engine(), questions(5)
        )
        assert [o.answer == "right" for o in outcomes] == [expected] * 5


def test_a_judge_that_sees_picks_the_right_one_and_all_tokens_count():
    model = Refinement(p=0.5, r=0.5, s=0.5, j=1.0)
    spec = "three-d(batch=4, turns=2, aggregator=judge, judgements=1, select=last)"
    outcomes = Laboratory().answer(spec, model.engine(), questions(40))
    for outcome in outcomes:
        seen = [t for t in outcome.traces if t.part == "answer"]
        assert (outcome.answer == "right") == any("right" in t.text for t in seen[4:])
        judged = sum(t.part == "verdict" for t in outcome.traces)
        assert outcome.usage.completion_tokens == 8 * SOLUTION + NOTES + judged * VERDICT
