"""A question split into sub-questions: answerable, sufficient, with credits that add up."""

import pytest

from ttscale.worlds.arithmetic import FAMILIES, problem
from ttscale.worlds.arithmetic.sub_questions import parse, sub_questions, usable, written


@pytest.mark.parametrize("family", FAMILIES)
def test_a_good_split_is_usable_and_reads_back(family):
    for seed in range(100):
        world = problem(family, 1 + seed % 5, seed).world
        split = sub_questions(world)
        assert sum(q.credits for q in split) == 100
        assert all(0 < q.difficulty < 1 for q in split)
        assert max(split, key=lambda q: q.credits).difficulty == max(q.difficulty for q in split)
        assert parse(written(split)) == split
        assert usable(world, written(split))


def test_any_order_of_independent_steps_is_usable():
    world = next(
        w
        for seed in range(1000)
        if (w := problem("arith", 3, seed).world)
        and [n.right < 5 and n.left < 5 for n in w.nodes[:2]] == [True] * 2
    )
    lines = written(sub_questions(world)).split("\n")
    swapped = [lines[1].replace("2.", "1.", 1), lines[0].replace("1.", "2.", 1)]
    renamed = [line.replace("#1", "#x").replace("#2", "#1").replace("#x", "#2") for line in lines[2:]]
    assert usable(world, "\n".join(swapped + renamed))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "1. 3+4 (0.2)",  # no credits
        "1. 3+4 (0.2)\n100: 90",
        "1. 3+4 (0.2)\n100: 60 40",
        "2. 3+4 (0.2)\n100: 100",
        "1. 3+4\n100: 100",
        "1. 3+#1 (0.2)\n100: 100",  # itself
        "1. 3+#0 (0.2)\n100: 100",
        "1. 3+5 (0.2)\n100: 100",  # does not suffice
        "1. three and four (0.2)\n100: 100",
        "1. 3+4 (0.2)\n100: ",
    ],
)
def test_what_cannot_be_used_is_told_apart(text):
    world = next(w for seed in range(2000) if (w := problem("arith", 1, seed, "train").world).answer == "7")
    assert usable(world, "1. 3+4 (0.2)\n100: 100")
    assert not usable(world, text)
