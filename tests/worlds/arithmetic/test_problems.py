"""Problems: reproducible, disjoint between splits, with the answers they claim."""

import random

import pytest

from ttscale.worlds.arithmetic import FAMILIES, LEVELS, check_answer, problem, problems
from ttscale.worlds.arithmetic.calculations import Calculation, Node
from ttscale.worlds.arithmetic.checker import value_of
from ttscale.worlds.arithmetic.paths import Maze
from ttscale.worlds.arithmetic.problems import split_of
from ttscale.worlds.arithmetic.training_documents import random_world


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_gives_the_same_problem(family):
    assert problem(family, 3, 5, "test") == problem(family, 3, 5, "test")
    assert problem(family, 3, 5, "test") != problem(family, 3, 6, "test")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("level", [1, 3, 5])
def test_no_problem_is_in_both_splits(family, level):
    train = {p.world.canonical for p in problems(family, level, 150, split="train")}
    test = {p.world.canonical for p in problems(family, level, 60, split="test")}
    assert len(train) == 150
    assert len(test) == 60
    assert not train & test


def test_training_worlds_are_never_held_out():
    rng = random.Random(0)
    assert {split_of(random_world(rng)) for _ in range(400)} == {"train"}


def test_wording_does_not_decide_the_split():
    node = Node("+", 0, 1)
    said, told = (Calculation(q, (3, 4), (node,), ()) for q in ("What is 3+4?", "Compute 3+4."))
    assert said.canonical == told.canonical


def test_arith_answer_is_the_value_of_the_expression_shown():
    for seed in range(200):
        p = problem("arith", 1 + seed % 5, seed)
        expression = p.world.facts[0]
        assert expression in p.question
        assert value_of(expression) == int(p.answer)


def test_word_numbers_stay_in_range_and_distractors_are_told():
    for seed in range(200):
        p = problem("word", 1 + seed % 5, seed)
        assert all(0 <= v <= 999 for v in p.world.evaluate())
        assert all(str(d) in p.question for d in p.world.distractors)
        assert all(fact in p.question for fact in p.world.facts)


def test_word_story_by_hand():
    facts = ("Tom has 12 apples.", "Tom buys 3 bags with 4 apples each.")
    calculation = Calculation(" ".join(facts), (12, 3, 4), (Node("*", 1, 2), Node("+", 0, 3)), facts)
    assert calculation.evaluate() == [12, 3, 4, 12, 24]
    assert calculation.answer == "24"


def test_every_search_problem_has_a_solution_and_dead_ends_above_level_one():
    for seed in range(60):
        p = problem("search", 3, seed)
        working = [v for v in p.world.paths().values() if v[-1] == p.world.target]
        # the others end elsewhere, or leave 0..99 on the way
        assert 1 <= len(working) < len(p.world.moves) ** p.world.depth
        assert check_answer(p, p.answer)


def test_any_path_that_works_is_right():
    maze = Maze("", 2, 8, ("*2", "+2"), 2)
    assert {" ".join(p) for p, v in maze.paths().items() if v[-1] == 8} == {"*2 *2", "+2 *2"}


@pytest.mark.parametrize(
    ("family", "level", "split"), [("maths", 1, "test"), ("arith", 6, "test"), ("arith", 1, "dev")]
)
def test_wrong_arguments_name_what_is_allowed(family, level, split):
    with pytest.raises(ValueError, match=r"arith|between 1 and 5|'train' or 'test'"):
        problem(family, level, 0, split)


def test_asking_for_more_problems_than_exist_fails_instead_of_repeating():
    with pytest.raises(ValueError, match="only"):
        problems("arith", 1, 5000)


def test_every_family_has_five_levels():
    assert all(sorted(levels) == [1, 2, 3, 4, 5] for levels in LEVELS.values())
