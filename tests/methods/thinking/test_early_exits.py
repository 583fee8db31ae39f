"""DEER and Dynasor: the model itself is asked, in the middle, whether it has the answer."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import Boxed, Scripted, answer

from ttscale.core import GenerationRequest, Problem, Prompt, Trace
from ttscale.methods.thinking import deer as deer_module
from ttscale.methods.thinking.deer import confidence, deer
from ttscale.methods.thinking.dynasor import agree, answer_of, dynasor
from ttscale.reproduce.worlds.thinker import LENGTH, Thinker

Deer = deer_module.Config


def question(name: str = "q") -> Problem:
    return Problem(name, Prompt.user("What is it?"), Boxed(), "right")


def scripted(world: Thinker) -> Scripted:
    return Scripted(world._reply, capabilities=("text", "prefix", "logprobs"))


def plain(world: Thinker, name: str = "q") -> str:
    return "<think>\n" + "".join(world.words(name))


# -- DEER


def test_deer_ends_at_the_first_turn_where_the_trial_is_sure():
    world = Thinker(thoughts=8, s=0.4)
    held = world.answers("q1")
    first = held.index("right")
    assert 0 < first < 7, "the world has wrong thoughts before the right ones"
    engine = scripted(world)
    outcome = answer(engine, deer, Deer(), of=question("q1"))
    assert (outcome.answer, outcome.stopped_by) == ("right", "sure")
    assert outcome.extra["confidences"] == pytest.approx([0.5] * first + [0.99])
    # the marker that stops is generated and not shown, and the rest of its word is a token too
    assert outcome.extra["thinking_tokens"] == (first + 1) * (LENGTH + 1)
    assert outcome.winner is not None
    assert outcome.winner.text.startswith("".join(plain(world, "q1").split("Wait")[0]))
    trials = [c for c in engine.calls if c.part == "calibration"]
    assert all(c.prompt.prefix.endswith("\\boxed{") and c.sampling.logprobs == 0 for c in trials)
    assert outcome.winner.text.count("\\boxed") == 1, "trials leave no trace"


@pytest.mark.parametrize("more", [{"threshold": 1.5}, {"trials": 0}])
def test_deer_that_never_believes_a_trial_thinks_what_the_model_thinks(more):
    world = Thinker(thoughts=8, s=0.4)
    outcome = answer(scripted(world), deer, Deer(**more), of=question())
    assert outcome.stopped_by == "thinking_ended"
    assert outcome.winner is not None
    thinking = outcome.winner.text.partition("</think>")[0]
    assert thinking.strip() == plain(world).strip()


def test_deers_confidence_is_the_mean_probability():
    trial = Trace("4", 2, logprobs=np.log(np.array([0.9, 0.4], np.float32)))
    assert confidence(trial, "arithmetic") == pytest.approx(0.65)
    assert confidence(trial, "geometric") == pytest.approx(0.6)
    assert confidence(Trace("4", 1), "geometric") is None
    assert confidence(Trace("4", 1, finish="error", logprobs=trial.logprobs), "geometric") is None


def test_a_higher_threshold_never_stops_sooner():
    world = Thinker(thoughts=8, s=0.3, sure=(0.9, 0.6))
    spent = [
        answer(scripted(world), deer, Deer(threshold=t), of=question("q3")).extra["thinking_tokens"]
        for t in (0.0, 0.5, 0.7, 0.95)
    ]
    assert spent == sorted(spent)
    assert spent[0] == LENGTH + 1
    assert spent[-1] > spent[0]


# -- Dynasor


def test_dynasor_ends_when_so_many_probes_give_the_same_answer():
    world = Thinker(thoughts=12, p=1.0)
    engine = scripted(world)
    outcome = answer(engine, dynasor, of=question(), cfg=dynasor.config(every=LENGTH))
    assert (outcome.answer, outcome.stopped_by) == ("right", "agreement")
    # the probe at the beginning holds nothing yet; the fourth runs beside the fourth piece
    assert outcome.extra["probes"][1:] == ["right", "right", "right"]
    assert outcome.extra["thinking_tokens"] == 4 * LENGTH
    assert outcome.winner is not None
    assert outcome.winner.text.endswith("\\boxed{right}")
    assert sum(c.part == "calibration" for c in engine.calls) == 4
    assert outcome.usage.sequential_tokens == 4 * LENGTH, "probes run beside the thinking"
    assert outcome.usage.completion_tokens == 4 * LENGTH + 4


def test_dynasor_that_never_agrees_is_plain_decoding_in_pieces():
    world = Thinker(thoughts=8, s=0.0, c=0.0)
    outcome = answer(scripted(world), dynasor, of=question(), cfg=dynasor.config(every=11))
    assert (outcome.answer, outcome.stopped_by) == ("wrong7", "thinking_ended")
    assert outcome.winner is not None
    assert outcome.winner.text == plain(world) + "</think>\n\n\\boxed{wrong7}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4}", "4"),
        ("\\frac{1}{2}} rest", "\\frac{1}{2}"),
        ("4", None),
        ("}", None),
        ("4} but wait", None),
        ("know}", "know"),
        ("Hold on}", None),
    ],
)
def test_what_a_probe_says(text, expected):
    assert answer_of(Trace(text, 3), ("wait", "hold", "but", "okay", "no", "hmm")) == expected


@pytest.mark.parametrize(
    ("probes", "count", "expected"),
    [
        (["A", "A", "a"], 3, True),
        (["A", "A"], 3, False),
        (["A", "B", "A"], 3, False),
        (["A", None, "A"], 3, False),
        (["B", "A"], 1, True),
        ([None], 1, False),
    ],
)
def test_probes_agree_by_the_rule_of_the_problem(probes, count, expected):
    assert agree(question(), probes, count) == expected


def test_a_server_that_does_not_say_where_it_stopped_is_read_by_its_text():
    world = Thinker(thoughts=8, p=1.0)

    def silent(request: GenerationRequest) -> Trace:
        trace = world._reply(request)
        trace.meta.pop("stopped_at", None)
        return trace

    outcome = answer(
        Scripted(silent, capabilities=("text", "prefix", "logprobs")), deer, Deer(), of=question()
    )
    assert outcome.stopped_by == "sure"
