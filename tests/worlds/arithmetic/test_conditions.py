"""Lists of conditions: right ones hold, faulty ones differ from them in what an extractor gets wrong."""

import random
import re

import pytest

from ttscale.worlds.arithmetic import FAMILIES, problem
from ttscale.worlds.arithmetic.conditions import faulty_conditions, right_conditions

LINE = re.compile(r"\d+\. \S.*")


@pytest.mark.parametrize("family", FAMILIES)
def test_conditions_are_numbered_true_and_without_the_last_step(family):
    for seed in range(100):
        p = problem(family, 3, seed)
        *lines, question = right_conditions(p.world).split("\n")
        assert [int(line.split(".")[0]) for line in lines] == list(range(1, len(lines) + 1))
        assert question.startswith("Question: ")
        assert p.question.endswith(question.removeprefix("Question: "))
        assert not any(line.endswith(f"={p.answer}") for line in lines[len(p.world.facts) + 3 :])


@pytest.mark.parametrize("family", FAMILIES)
def test_an_extractors_mistakes_change_a_number_or_lose_a_condition(family):
    rng, kinds = random.Random(1), set()
    for seed in range(100):
        world = problem(family, 3, seed).world
        right, given = right_conditions(world).split("\n"), faulty_conditions(world, rng).split("\n")
        assert given != right
        assert all(LINE.fullmatch(line) for line in given[:-1])
        kinds.add("lost" if len(given) < len(right) else "changed")
    assert kinds == {"lost", "changed"}
