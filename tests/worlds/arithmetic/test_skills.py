"""Roles: the layout the model was trained on, and documents for each of them."""

import random
import re

import pytest

from ttscale.worlds.arithmetic import (
    FAMILIES,
    SKILLS,
    messages,
    plain_solution,
    problem,
    system_prompt,
    user_prompt,
)
from ttscale.worlds.arithmetic.calculations import Calculation
from ttscale.worlds.arithmetic.paths import Maze
from ttscale.worlds.arithmetic.training_documents import (
    LATE,
    document,
    ends_right,
    merged,
    random_world,
    solution,
    verdict,
    verification,
)

REPLY = "<think>\n3+4=7\n\n7*2=14\n</think>\n\n\\boxed{14}"


def test_plain_solution_drops_the_tags_only():
    assert plain_solution(REPLY) == "3+4=7\n\n7*2=14\n\n\\boxed{14}"
    assert plain_solution(plain_solution(REPLY)) == plain_solution(REPLY)
    assert plain_solution("<think>\n\n</think>\n\n\\boxed{7}") == "\\boxed{7}"


def test_every_role_has_a_system_message_of_its_own():
    assert len({system_prompt(role) for role in SKILLS}) == len(SKILLS) == 18
    with pytest.raises(ValueError, match="unknown role"):
        system_prompt("poet")


def test_user_messages_name_what_they_show():
    assert user_prompt("judge", "Q", solutions=[REPLY]) == f"Q\n\nSolution:\n{plain_solution(REPLY)}"
    assert "\n\nSolution B:\n" in user_prompt("rate", "Q", solutions=[REPLY, REPLY])
    assert user_prompt("revise", "Q", solutions=["a", "b"]) == "Q\n\nAttempt 1:\na\n\nAttempt 2:\nb"
    assert user_prompt("execute", "Q", plan="1. 3+4 (1)") == "Q\n\nPlan:\n1. 3+4 (1)"
    assert [m["role"] for m in messages("solve", "Q")] == ["system", "user"]


@pytest.mark.parametrize("role", LATE)
def test_documents_of_every_role_use_its_layout(role):
    rng = random.Random(7)
    for _ in range(30):
        made = document(rng, role=role)
        assert made.role == role
        assert made.reply
        assert made.user
        if role == "judge":
            assert made.reply.split("</think>\n\n")[-1] in ("Yes", "No")
            assert made.reply.startswith("<think>\n") != bool(made.prefill)
        if role in ("solve", "execute", "revise", "merge"):
            assert made.reply.startswith("<think>\n")
            assert made.reply.endswith("}")


def test_solutions_end_as_asked():
    rng, kept = random.Random(8), 0
    for _ in range(150):
        world = random_world(rng)
        assert ends_right(world, solution(world, rng, right=True))
        kept += not ends_right(world, solution(world, rng, right=False))
    assert kept > 120  # some tiny worlds are too easy to get wrong


def test_a_judgement_holds_what_is_claimed_against_its_own_work():
    rng, seen = random.Random(9), set()
    for _ in range(200):
        world = random_world(rng)
        replies = [solution(world, rng, right) for right in (True, False)]
        right = [ends_right(world, reply) for reply in replies]
        thought = verification(world, replies, rng)
        assert re.findall(r": (Yes|No)$", thought, re.M) == ["Yes" if ok else "No" for ok in right]
        assert not any(step.startswith("Wait") for step in thought.split("\n\n"))
        seen.add((type(world), *right))
    assert {(Calculation, True, False), (Maze, True, False)} <= seen


def test_an_answer_that_is_none_is_judged_wrong():
    rng = random.Random(9)
    for family in FAMILIES:
        world = problem(family, 3, 0).world
        assert verification(world, ["no box,\nin two lines"], rng).endswith("nothing: No")


def test_a_merge_works_out_only_what_the_replies_disagree_on():
    rng = random.Random(11)
    for family in FAMILIES:
        world = problem(family, 3, 1, "train").world
        right, wrong = (solution(world, rng, right) for right in (True, False))
        agreed = merged(world, [right, right], rng)
        assert agreed.startswith("<think>\n")
        assert len(agreed) < len(merged(world, [wrong, right], rng))
        for replies in ([right, right], [wrong, right, wrong], [wrong, wrong]):
            assert ends_right(world, merged(world, replies, rng))


def test_a_role_of_the_verbose_model_has_no_concise_documents():
    with pytest.raises(ValueError, match="verbose"):
        document(random.Random(0), role="split")


def test_verdicts():
    assert [verdict([True]), verdict([False])] == ["Yes", "No"]
    assert verdict([False, True]) == "A: 2\nB: 9"


def test_the_mix_moves_from_solving_to_judging():
    def share(progress: float) -> float:
        rng = random.Random(10)
        return sum(document(rng, progress).role in ("judge", "rate") for _ in range(600)) / 600

    assert share(0.0) < 0.08 < 0.13 < share(1.0)
