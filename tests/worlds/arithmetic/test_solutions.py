"""Worked traces: right in the end, with the mistakes and repairs that were asked for."""

import random
import re

import pytest

from ttscale.worlds.arithmetic import FAMILIES, check_answer, check_steps, problem, split_steps
from ttscale.worlds.arithmetic.calculations import OPERATIONS
from ttscale.worlds.arithmetic.solutions import CLEAN, Noise, hardness, miscalculate, reason, render

CAREFUL = Noise()


@pytest.mark.parametrize("family", FAMILIES)
def test_clean_traces_are_right_at_every_step(family):
    rng = random.Random(1)
    for seed in range(250):
        p = problem(family, 1 + seed % 5, seed, "train")
        text = render(*reason(p.world, rng, CLEAN))
        assert check_answer(p, text), text
        assert all(check_steps(p, text)), text


@pytest.mark.parametrize("family", FAMILIES)
def test_repaired_traces_end_right_and_do_contain_mistakes(family):
    rng, mistaken = random.Random(2), 0
    for seed in range(250):
        p = problem(family, 1 + seed % 5, seed, "train")
        text = render(*reason(p.world, rng, Noise(slip=0.4)))
        assert check_answer(p, text), text
        mistaken += not all(check_steps(p, text))
    assert mistaken > 50


@pytest.mark.parametrize("family", FAMILIES)
def test_unrepaired_mistakes_are_seen_by_the_step_checker(family):
    rng, wrong = random.Random(3), 0
    for seed in range(250):
        p = problem(family, 3, seed, "train")
        text = render(*reason(p.world, rng, Noise(slip=0.4, notice=0.0, doubt=0.0, repair=False)))
        if not check_answer(p, text):
            wrong += 1
            assert not all(check_steps(p, text)), text
    assert wrong > 40


def test_a_spoiled_step_is_right_before_and_wrong_after():
    rng = random.Random(4)
    p = problem("arith", 2, 0)
    noise = Noise(slip=0.0, doubt=1.0, spoil=1.0, notice=0.0, repair=False)
    steps, _ = reason(p.world, rng, noise)
    verdicts = check_steps(p, render(steps, "0"))
    assert verdicts[1]
    assert steps[2].startswith("Wait, is ")
    assert not verdicts[2]


def test_traces_with_mistakes_are_longer_on_average():
    rng = random.Random(5)
    lengths: dict[bool, list[int]] = {True: [], False: []}
    for seed in range(400):
        p = problem("arith", 3, seed, "train")
        text = render(*reason(p.world, rng, Noise(slip=0.15)))
        lengths[all(check_steps(p, text))].append(len(text))
    assert sum(lengths[False]) / len(lengths[False]) > sum(lengths[True]) / len(lengths[True])


@pytest.mark.parametrize("op", OPERATIONS)
def test_a_miscalculation_is_never_right(op):
    rng = random.Random(6)
    for _ in range(300):
        a, b = rng.randint(0, 99), rng.randint(0, 12)
        wrong = miscalculate(rng, op, max(a, b), min(a, b))
        assert wrong >= 0
        assert wrong != OPERATIONS[op](max(a, b), min(a, b))


def test_carries_and_big_products_are_harder():
    assert hardness("+", 17, 25) > hardness("+", 12, 25) > hardness("+", 2, 3)
    assert hardness("-", 21, 4) > hardness("-", 25, 4)
    assert hardness("*", 37, 8) > hardness("*", 7, 8) > hardness("*", 2, 3)


def test_steps_are_paragraphs_of_the_thinking_section():
    text = render(["3+4*5", "4*5=20\n3+20", "3+20=23"], "23")
    assert split_steps(text) == ["3+4*5", "4*5=20\n3+20", "3+20=23"]
    assert re.fullmatch(r"<think>\n.*\n</think>\n\n\\boxed\{23\}", text, re.DOTALL)


def test_no_think_form_is_an_empty_section():
    assert render([], "7") == "<think>\n\n</think>\n\n\\boxed{7}"
    assert split_steps(render([], "7")) == []
