"""The Explore-Execute Chain on a model of plans and executions with known chances, and on a script."""

from __future__ import annotations

import random

import numpy as np
import pytest
from fakes import Scripted, answer, problem, said

from ttscale.core import Embeddings, GenerationRequest, Outcome, Run, Trace, run_in_token_time
from ttscale.methods.decomposition.clusters import representatives
from ttscale.methods.decomposition.explore_execute import Config, explore_execute
from ttscale.methods.decomposition.plan_texts import acceptable, avoids, overlap, rejections
from ttscale.reproduce.worlds.plans import Plans

WORLD = Plans(p=0.35, r1=0.8, r0=0.1, j=0.6, s=0.5, b1=0.9, b0=0.4)


def accuracy(world: Plans, runs: int = 400, **settings: object) -> float:
    run, cfg = Run({"main": world.engine()}), Config(least_before=0, **settings)

    async def main() -> list[Outcome]:
        return [await run.answer(explore_execute.bind(cfg), problem(f"q{i}")) for i in range(runs)]

    return float(np.mean([outcome.answer == "right" for outcome in run_in_token_time(main())]))


@pytest.mark.parametrize(
    ("strategy", "plans", "expected"),
    [
        ("random", 4, WORLD.executed(WORLD.p)),
        ("select", 1, WORLD.executed(WORLD.p)),
        ("select", 4, WORLD.select(4)),
        ("vote", 4, WORLD.vote(4)),
        ("loop", 4, WORLD.loop(4, 3)),
    ],
)
def test_each_strategy_is_right_by_its_closed_form(strategy, plans, expected) -> None:
    # 400 questions: a standard error of at most .025; at 4 of them a false alarm in 16,000
    assert accuracy(WORLD, strategy=strategy, plans=plans) == pytest.approx(expected, abs=0.1)


def test_a_judge_of_chance_makes_select_one_random_plan() -> None:
    blind = Plans(p=0.35, r1=0.8, r0=0.1)
    assert blind.select(8) == pytest.approx(blind.executed(0.35))
    assert WORLD.select(1) == pytest.approx(WORLD.executed(WORLD.p))
    assert WORLD.select(8) > WORLD.select(2) > WORLD.select(1)


def test_select_costs_plans_a_verdict_and_one_execution() -> None:
    clear = Plans(p=0.5, r1=1.0, r0=1.0)
    chosen = answer(clear.engine(), explore_execute, Config(strategy="select", plans=8))
    assert chosen.usage.completion_tokens == 8 * 20 + 1 + 200
    assert chosen.usage.verifier_tokens == 1
    everything = answer(clear.engine(), explore_execute, Config(strategy="vote", plans=8))
    assert everything.usage.completion_tokens == 8 * (20 + 200)
    assert everything.usage.sequential_tokens == 220


PLANS = ["1. Add all numbers", "1. Multiply the last two", "1. Guess and check"]


class Scene(Scripted):
    """Three plans, a judge that says `verdict`, and executions as given, one after the other."""

    def __init__(self, executions: list[Trace], verdict: str = "1", revised: str = "", **options) -> None:
        self.executions, self.verdict, self.revised, self.made = executions, verdict, revised, 0
        self.executed: list[str] = []
        super().__init__(self.play, **options)

    def play(self, request: GenerationRequest) -> Trace:
        asked = request.prompt.text
        if request.part == "verdict":
            return Trace(self.verdict, 2)
        if request.part == "plan":
            return Trace(self.revised if "revised plan" in asked else PLANS[request.index % 3], 10)
        if "final answer only" in asked:
            return said("rescued", 3)
        self.executed.append(asked)
        self.made += 1
        return self.executions[min(self.made, len(self.executions)) - 1]


@pytest.mark.parametrize(
    ("verdict", "named", "fallbacks"),
    [
        ("2", 1, {}),
        ("Plan 3.", 2, {}),
        ("The best is:\n1. Multiply the last two numbers, which is short", 1, {}),
        ("", 0, {"select": 1}),
        ("9", 0, {"select": 1}),
        ("I would rather do something that is different from these", 0, {"select": 1}),
    ],
)
def test_the_plan_the_judge_names_is_executed(verdict, named, fallbacks) -> None:
    scene = Scene([said("right")], verdict)
    outcome = answer(scene, explore_execute, Config(strategy="select", plans=3))
    assert PLANS[named] in scene.executed[0]
    assert outcome.extra["fallbacks"] == fallbacks


def test_the_plan_begins_the_execution_where_the_engine_continues_one() -> None:
    scene = Scene([said("right")])
    answer(scene, explore_execute, Config(strategy="random"))
    explored, executed = scene.calls[0], scene.calls[-1]
    assert explored.prompt.prefix == "<EXPLORATION>\n"
    assert explored.sampling.stop == ("</EXPLORATION>",)
    assert executed.prompt.prefix == f"<EXPLORATION>\n{PLANS[0]}\n</EXPLORATION>\n<EXECUTION>\n"
    assert executed.sampling.temperature == 0.0
    plain = Scene([said("right")], capabilities=["text"])
    answer(plain, explore_execute, Config(strategy="random"))
    assert not any(call.prompt.prefix for call in plain.calls)
    assert PLANS[0] in plain.executed[0]


WORK = "so " * 110  # characters before a box: acceptable


def test_an_acceptable_answer_ends_the_loop_at_once() -> None:
    scene = Scene([Trace(WORK + "\\boxed{right}", 120)])
    outcome = answer(scene, explore_execute, Config(plans=3))
    assert (outcome.answer, outcome.stopped_by, scene.made) == ("right", "acceptable", 1)


def test_a_short_rescue_is_not_acceptable_and_serves_as_the_last_resort() -> None:
    scene = Scene([Trace("it does not end", 50)], revised="1. Something else entirely\n2. Then conclude")
    outcome = answer(scene, explore_execute, Config(plans=3, refinements=2))
    assert (outcome.answer, outcome.stopped_by, scene.made) == ("rescued", "refinements", 3)
    assert outcome.extra["rescued"] == 3
    assert "Something else entirely" in scene.executed[1]


def test_a_plan_whose_execution_rejects_itself_is_replaced_by_one_that_avoids_it() -> None:
    rejecting = Trace("We guess. Add all numbers is wrong.", 50)
    scene = Scene([rejecting, Trace(WORK + "\\boxed{right}", 9)], "3", revised="1. Something else")
    answer(scene, explore_execute, Config(plans=3))
    assert PLANS[2] in scene.executed[0]
    assert PLANS[1] in scene.executed[1]  # the first one is what was rejected


def test_a_revision_that_changes_nothing_gives_way_to_an_unused_plan() -> None:
    scene = Scene([Trace("nothing", 5), Trace(WORK + "\\boxed{right}", 9)], "2", revised=PLANS[1])
    outcome = answer(scene, explore_execute, Config(plans=3))
    assert PLANS[0] in scene.executed[1]
    assert outcome.answer == "right"


def test_a_looping_execution_is_ended_and_followed_by_a_call_for_the_answer() -> None:
    words = ["and so "] * 2000
    looping = Trace("".join(words), 2000, ends=[7 * k for k in range(1, 2001)])
    outcome = answer(Scene([looping]), explore_execute, Config(strategy="random"))
    assert outcome.answer == "rescued"
    assert outcome.usage.completion_tokens == 10 + 256 + 3


def test_a_plan_that_repeats_itself_is_made_again_once_and_calmer() -> None:
    def script(request: GenerationRequest) -> Trace:
        if request.part == "plan":
            return Trace("add them " * 150, 300)
        return said("right")

    engine = Scripted(script)
    answer(engine, explore_execute, Config(strategy="random"))
    assert [call.sampling.temperature for call in engine.calls] == [0.9, 0.7, 0.0]


def test_without_any_plan_the_question_is_asked_as_it_is() -> None:
    engine = Scripted(lambda request: Trace("", 1) if request.part == "plan" else said("right"))
    outcome = answer(engine, explore_execute, Config())
    assert (outcome.answer, outcome.stopped_by) == ("right", "no_plan")
    assert engine.calls[-1].prompt == problem().prompt


def test_a_layered_plan_grows_until_it_is_ready() -> None:
    def script(request: GenerationRequest) -> Trace:
        if request.part == "verdict":
            return Trace("2 READY" if "third" in request.prompt.text else "2 CONTINUE", 2)
        if request.part == "plan":
            depth = request.prompt.text.count("step")
            return Trace(["first step", "second step", "third step"][depth - 1], 4)
        return said("right")

    engine = Scripted(script)
    outcome = answer(engine, explore_execute, Config(strategy="layered", plans=2))
    assert "first step\nsecond step\nthird step" in engine.calls[-1].prompt.text
    assert len(engine.calls) == 3 * (2 + 1) + 1
    assert outcome.answer == "right"


class Embedding(Scripted):
    async def embed(self, texts) -> Embeddings:
        vectors = [[1.0, 0.1] if "good" in text else [0.1, 1.0] for text in texts]
        return Embeddings(np.array(vectors, np.float32), 3)


def test_an_answer_weighs_as_much_as_its_group_of_plans() -> None:
    def script(request: GenerationRequest) -> Trace:
        if request.part == "plan":
            return Trace("good plan" if request.index % 4 else "bad plan", 5)
        return said("right" if "good" in request.prompt.text else "wrong")

    engine = Embedding(script, capabilities=("text", "embed"))
    outcome = answer(engine, explore_execute, Config(strategy="cluster", plans=8, groups=3))
    assert outcome.answer == "right"  # six plans of eight
    assert outcome.extra["executions"] == 2  # only two groups differ


def test_groups_of_vectors_are_found_and_represented_by_their_middle() -> None:
    rng = random.Random(0)
    centres = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    sizes = [7, 4, 2]
    vectors = [
        [c + rng.gauss(0, 0.05) for c in centre] for centre, n in zip(centres, sizes) for _ in range(n)
    ]
    found = representatives(vectors, 3)
    assert [size for _, size in found] == sizes
    assert [int(np.argmax(vectors[i])) for i, _ in found] == [0, 1, 2]
    assert representatives([[1.0, 0.0]] * 4, 3) == [(0, 4)]
    assert representatives([[0.0, 0.0]], 3) == [(0, 1)]


def test_what_plans_share_and_what_is_rejected() -> None:
    assert overlap("add two numbers", "Add the two") == pytest.approx(2 / 3)
    assert overlap("", "anything") == 1.0
    text = "We try x = 3. That is wrong. Then y = 2 holds. This does not work for y."
    assert rejections(text) == ["That is wrong.", "This does not work for y."]
    assert avoids("Use a table", ["Guess and check"])
    assert not avoids("guess and check it", ["Guess and check"])


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (WORK + "\\boxed{1}", True),
        ("\\boxed{1}", False),
        (WORK + "\\boxed{1}" + WORK * 2, False),
        (WORK, False),
    ],
)
def test_an_acceptable_box_has_work_before_it_and_little_after(text, whole) -> None:
    assert acceptable(text, 300, 500) is whole
