"""Sequential tokens are the longest dependent chain, for any nesting of parallel and serial work."""

from __future__ import annotations

import random

import pytest
from fakes import Scripted, Ticking, answer
from random_programs import MAIN, SLOW, At, length_of, method, oracle, random_program


@pytest.mark.parametrize("engine", [Scripted, Ticking])
@pytest.mark.parametrize("block", range(5))
def test_at_equal_speeds_the_chain_is_the_makespan_of_any_program(block, engine):
    for seed in range(block * 100, block * 100 + (100 if engine is Scripted else 10)):
        program = random_program(random.Random(seed), 3, (MAIN,), cancels=True)
        expected = oracle(program, At(0, 0), {MAIN: 1})
        assert expected.sequential == expected.time, program
        outcome = answer(engine(length_of), method(program))
        assert outcome.usage.sequential_tokens == expected.sequential, (seed, program)
        assert outcome.usage.seconds * 100 == pytest.approx(expected.time), (seed, program)


@pytest.mark.parametrize("block", range(4))
def test_at_unequal_speeds_chain_and_time_differ_and_both_are_exact(block):
    differ = 0
    for seed in range(block * 100, block * 100 + 100):
        program = random_program(random.Random(seed), 3, (MAIN, SLOW), cancels=False)
        expected = oracle(program, At(0, 0), {MAIN: 1, SLOW: 7})
        engines = {MAIN: Scripted(length_of), SLOW: Scripted(length_of, speed=7)}
        outcome = answer(engines, method(program))
        assert outcome.usage.sequential_tokens == expected.sequential, (seed, program)
        assert outcome.usage.seconds * 100 == pytest.approx(expected.time), (seed, program)
        differ += expected.time != expected.sequential
    assert differ > 50  # the programs do tell the two apart


def test_a_sibling_that_nobody_joined_does_not_lengthen_the_chain():
    async def main(problem, ctx, cfg):
        from ttscale.core import Outcome, Prompt

        async with ctx.as_finished([Prompt(raw=f"{n}|{n}") for n in (3, 50)]) as race:
            await race.__anext__()
        await ctx.sample(Prompt(raw="next|4"))
        return Outcome("done")

    outcome = answer(Scripted(length_of), main)
    assert outcome.usage.sequential_tokens == 3 + 4
    assert outcome.usage.completion_tokens == 3 + 3 + 4  # the loser's three are paid for
    assert outcome.usage.cancelled_tokens == 3
