"""Stop-token scaling over a server: the request, and lengths against the closed form."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from fakes import Boxed, Scripted, answer, problem

from ttscale.core import EngineError, GenerationRequest, Problem, Prompt, Trace
from ttscale.methods.thinking.stop_scaling import Config, stop_scaling
from ttscale.reproduce.worlds.thinker import spoken


def geometric(hazard: float):
    """Thinking that ends in each step with chance `hazard`, scaled as the request asks."""

    def script(request: GenerationRequest) -> Trace:
        if "</think>" in request.prompt.prefix:
            return spoken(["\\boxed{right}"])
        bias = dict(request.sampling.extra.get("logit_bias", [])).get("</think>", 0.0)
        kappa = math.exp(bias)
        chance = kappa * hazard / (1 - hazard + kappa * hazard)
        rng, length = random.Random(request.seed), 1
        while rng.random() >= chance:
            length += 1
        return Trace("w " * (length - 1), length)

    return Scripted(script)


@pytest.mark.parametrize("kappa", [0.5, 1.0, 2.0, 5.0])
def test_the_length_is_the_closed_forms(kappa):
    h, n = 0.1, 200
    engine = geometric(h)
    lengths = [
        answer(
            engine, stop_scaling, Config(kappa=kappa), of=Problem(f"q{k}", Prompt.user("?"), Boxed())
        ).extra["thinking_tokens"]
        for k in range(n)
    ]
    expected = 1 + (1 - h) / (kappa * h)
    # a geometric length's deviation is below its mean; chance of a false alarm below 6e-5
    assert abs(fmean(lengths) - expected) < 4 * expected / n**0.5


def test_the_bias_is_there_while_the_thinking_is_open_and_gone_for_the_answer():
    engine = geometric(0.2)
    outcome = answer(engine, stop_scaling, Config(kappa=math.e, token=151668))
    thinking, reply = engine.calls
    assert thinking.sampling.extra == {"logit_bias": {"151668": pytest.approx(1.0)}}
    assert thinking.sampling.stop == ("</think>",)
    assert reply.sampling.extra == {}
    assert reply.prompt.prefix.endswith("</think>")
    assert outcome.answer == "right"
    assert outcome.winner is not None
    assert outcome.winner.tokens == outcome.usage.completion_tokens


def test_kappa_of_one_asks_for_nothing_and_keeps_the_thinking():
    engine = geometric(0.2)
    answer(engine, stop_scaling, Config(kappa=1))
    assert engine.calls[0].sampling.extra == {}


def test_thinking_that_fails_is_no_answer():
    outcome = answer(Scripted([EngineError("down")]), stop_scaling, Config(), of=problem())
    assert (outcome.answer, outcome.stopped_by) == (None, "error")
