"""PETS offline: where samples go, what they buy, and what may not happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from fakes import Scripted, answer, nothing_left, problem, said
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.answers import ChoiceRule
from ttscale.core import (
    Budget,
    CapabilityError,
    GenerationRequest,
    Outcome,
    Problem,
    Run,
    Trace,
    UsageError,
    run_in_token_time,
)
from ttscale.engines.recordings.engine import Replay
from ttscale.engines.recordings.pool import Pool
from ttscale.engines.synthetic import Synthetic, World
from ttscale.methods import registry
from ttscale.methods.allocation.pets import Config, Question, largest, pets
from ttscale.methods.allocation.pets_curves import agreement_curve
from ttscale.methods.voting.dirichlet import optimistic_gain, probability_largest


def play(
    problems: Sequence[Problem], engine: object, budget: Budget | None = None, **params: object
) -> list[Outcome]:
    run = Run({"main": engine})  # type: ignore[dict-item]

    async def main() -> list[Outcome]:
        outcomes = await run.answer_set(pets(**params), problems, budget=budget)
        nothing_left()
        return outcomes

    return run_in_token_time(main())


def says(answers: dict[str, str]) -> Scripted:
    """Question "q" repeats the letters of answers["q"]; "-" is a sample without an answer."""

    def script(call: GenerationRequest) -> Trace:
        letters = answers[call.problem.id]
        letter = letters[call.index % len(letters)]
        return said(None if letter == "-" else letter)

    return Scripted(script)


def sampled(outcomes: Sequence[Outcome]) -> list[int]:
    return [o.extra["drawn"] for o in outcomes]


def named(*names: str) -> list[Problem]:
    return [problem(name) for name in names]


def test_a_settled_question_gets_nothing_while_an_open_one_does() -> None:
    # after 30 samples each they stand at 30-0 and 15-15
    outcomes = play(
        named("settled", "open"), says({"settled": "a", "open": "ab"}), average=45, warm_up=30, options=4
    )
    assert sampled(outcomes) == [30, 60]


def test_samples_go_to_the_question_that_is_undecided() -> None:
    outcomes = play(named("easy", "hard"), says({"easy": "a", "hard": "ab"}), average=15, options=4)
    easy, hard = sampled(outcomes)
    assert easy + hard == 30
    assert hard > 3 * easy
    assert outcomes[0].answer == "a"


def test_the_budget_is_spent_exactly_and_every_question_is_asked() -> None:
    outcomes = play(named("p", "q", "r"), says({"p": "a", "q": "ab", "r": "abc"}), average=4.4)
    assert sum(sampled(outcomes)) == 13
    assert min(sampled(outcomes)) >= 1
    assert sum(o.usage.samples for o in outcomes) == 13


def test_warm_up_is_all_there_is_if_the_average_says_so() -> None:
    outcomes = play(named("p", "q"), says({"p": "a", "q": "b"}), average=2, warm_up=2)
    assert sampled(outcomes) == [2, 2]


FIVE = ["aab", "abc", "a", "abb", "ba"]


@settings(max_examples=15)
@given(st.permutations(FIVE), st.integers(1, 4))
def test_permuting_the_questions_permutes_the_result(order: list[str], per_round: int) -> None:
    def spent(names: list[str]) -> dict[str, int]:
        # as many choices as nobody else has, so that no two gains are ever equal
        asked = [replace(p, choices=tuple("abcdefgh"[: 3 + FIVE.index(p.id)])) for p in named(*names)]
        outcomes = play(asked, says({n: n for n in names}), average=8, per_round=per_round)
        return dict(zip(names, sampled(outcomes), strict=True))

    assert spent(order) == spent(FIVE)


def test_no_question_gets_more_than_its_limit_and_the_rest_is_not_spent() -> None:
    outcomes = play(named("p"), says({"p": "ab"}), average=5, max_samples=5)
    assert sampled(outcomes) == [5]
    outcomes = play(named("p", "q"), says({"p": "ab", "q": "a"}), average=4, max_samples=5, options=2)
    assert max(sampled(outcomes)) <= 5
    assert sum(sampled(outcomes)) == 8


def test_a_pool_that_runs_dry_is_left_alone() -> None:
    asked = named("p", "q")
    records = {("p", "main", ""): [said("a"), said("b")], ("q", "main", ""): [said("a")] * 5}
    outcomes = play(asked, Replay(Pool("m", "t", asked, records)), average=10)
    assert sampled(outcomes) == [2, 5]
    assert outcomes[0].stopped_by == "no_question_left"


def test_an_answer_that_finds_no_free_slot_costs_and_does_not_vote() -> None:
    outcomes = play(named("p"), says({"p": "abcc"}), average=4, max_options=2)
    assert outcomes[0].extra == {"drawn": 4, "votes": [1, 1], "confidence": pytest.approx(0.5)}
    assert outcomes[0].answer == "a"


def test_equivalent_answers_share_a_slot() -> None:
    outcomes = play(named("p"), says({"p": "aAbB"}), average=4, max_options=2)
    assert outcomes[0].extra["votes"] == [2, 2]


def test_a_question_that_never_parses_does_not_take_everything() -> None:
    outcomes = play(named("mute", "p"), says({"mute": "-", "p": "ab"}), average=20, options=4)
    mute, other = sampled(outcomes)
    assert outcomes[0].answer is None
    assert mute < other


def test_a_question_whose_first_sample_is_mute_is_asked_again() -> None:
    # without a vote, more samples of the others would otherwise look better: 16 slots are open
    outcomes = play(named("late", "p", "q"), says({"late": "-aaa", "p": "a", "q": "a"}), average=2)
    assert outcomes[0].answer == "a"


def test_letters_of_the_answer_rule_are_the_options() -> None:
    asked = problem("p")
    lettered = Problem("p", asked.prompt, ChoiceRule("ABCD"))
    engine = Scripted(lambda call: said("B"))
    (outcome,) = play([lettered], engine, average=1)
    # Dirichlet(2, 1, 1, 1): E[F^3] over Gamma(2)
    assert outcome.extra["confidence"] == pytest.approx(probability_largest([2, 1, 1, 1])[0])


def test_choices_are_the_number_of_options() -> None:
    asked = problem("p")
    four = Problem("p", asked.prompt, asked.rule, choices=("a", "b", "c", "d"))
    (outcome,) = play([four], says({"p": "a"}), average=1)
    (open_one,) = play([asked], says({"p": "a"}), average=1)
    assert outcome.extra["confidence"] > open_one.extra["confidence"]


def test_a_single_option_is_refused() -> None:
    asked = problem("p")
    one = Problem("p", asked.prompt, asked.rule, choices=("a",))
    with pytest.raises(UsageError, match="single option"):
        play([one], says({"p": "a"}), average=1)


def test_rounds_shorten_the_chain() -> None:
    names = [f"q{i}" for i in range(12)]
    engine = says(dict.fromkeys(names, "aab"))
    one = play(named(*names), engine, average=6)
    six = play(named(*names), engine, average=6, per_round=6)
    assert sum(sampled(one)) == sum(sampled(six)) == 72
    chain = [max(o.usage.sequential_tokens for o in outcomes) for outcomes in (one, six)]
    assert chain[0] > 3 * chain[1]


def test_a_token_budget_ends_the_set_with_the_vote_so_far() -> None:
    outcomes = play(named("p", "q"), says({"p": "a", "q": "b"}), average=20, budget=Budget(tokens=105))
    assert [o.answer for o in outcomes] == ["a", "b"]
    assert sum(o.usage.completion_tokens for o in outcomes) <= 105


def test_votes_can_weigh_their_confidence() -> None:
    def script(call: GenerationRequest) -> Trace:
        sure = call.index == 2
        conf = np.full(4, 9.0 if sure else 1.0, np.float32)
        return said("b" if sure else "a", 4, conf=conf)

    plain = play(named("p"), Scripted(script), average=3)
    weighted = play(named("p"), Scripted(script), average=3, weight="mean", keep=100)
    assert (plain[0].answer, weighted[0].answer) == ("a", "b")


def test_only_the_most_confident_share_votes() -> None:
    def script(call: GenerationRequest) -> Trace:
        sure = call.index == 2
        return said("b" if sure else "a", 4, conf=np.full(4, 9.0 if sure else 5.0, np.float32))

    # ten for a and nine for b, unless b alone is kept
    everyone = play(named("p"), Scripted(script), average=3, weight="mean", keep=100)
    surest = play(named("p"), Scripted(script), average=3, weight="mean", keep=30)
    assert (everyone[0].answer, surest[0].answer) == ("a", "b")


def test_a_gain_counts_by_the_share_of_samples_that_moved_something() -> None:
    question = Question(problem(), Config(options=4))
    for letter in ("a", None, None):
        question.add(said(letter))
    assert question.gain() == pytest.approx(optimistic_gain([2, 1, 1, 1]) * 2 / 4)


def test_soft_counts_are_the_confidence_over_sixteen() -> None:
    def script(call: GenerationRequest) -> Trace:
        return said("a", 4, conf=np.full(4, 32.0, np.float32))

    (soft,) = play(named("p"), Scripted(script), average=1, soft=True, options=2)
    # Beta(3, 1): P(first is larger) = 1 - 1/8
    assert soft.extra["confidence"] == pytest.approx(7 / 8, abs=1e-7)


def test_confidence_is_needed_only_where_it_is_used() -> None:
    assert "logprobs" not in pets.needs(Config())["main"].capabilities
    assert "logprobs" in pets.needs(Config(soft=True))["main"].capabilities
    with pytest.raises(CapabilityError, match="weight=none"):
        play(named("p"), says({"p": "a"}), average=1, weight="tail")


@pytest.mark.parametrize(
    "bad", [{"average": 0.5}, {"average": 99}, {"options": 1}, {"per_round": 0}, {"weight": "best"}]
)
def test_bad_values_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        pets.configure(bad)


def test_equal_gains_go_to_the_earlier_question() -> None:
    assert largest(np.array([1.0, 3.0, 3.0, -np.inf]), 3) == [1, 2, 0]
    assert largest(np.array([-np.inf]), 1) == []
    assert largest(np.array([2.0, 2.0]), 1) == [0]


def test_a_set_of_one_is_a_vote() -> None:
    outcome = answer(says({"p": "aab"}), pets, Config(average=6))
    vote = answer(
        says({"p": "aab"}),
        registry.get("self-consistency"),
        registry.get("self-consistency").configure({"n": 6}),
    )
    assert (outcome.answer, outcome.extra["votes"]) == (vote.answer, [4, 2])


# -- synthetic truth: 60 questions of 4 options in three groups of difficulty

PRIORS = ((30, 1, 1, 1), (6, 3, 1, 1), (3, 2.4, 1.5, 1))


def world(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {f"q{i}": rng.dirichlet(PRIORS[i % 3]) for i in range(60)}


def engine_of(truth: dict[str, np.ndarray]) -> Synthetic:
    def one(theta: np.ndarray) -> World:
        answers = {str(i): float(p) * (1 - 1e-12) for i, p in enumerate(theta)}
        return World(answers=answers, length=5, wrong_length=5)

    return Synthetic({name: one(theta) for name, theta in truth.items()})


def agreement(spend: Callable[[Synthetic, list[Problem]], list[Outcome]], worlds: int) -> float:
    """Share of questions whose vote is the likeliest answer."""
    right = []
    for seed in range(worlds):
        truth = world(seed)
        problems = [problem(name, str(int(theta.argmax()))) for name, theta in truth.items()]
        outcomes = spend(engine_of(truth), problems)
        right += [p.correct(o.answer) for p, o in zip(problems, outcomes, strict=True)]
    return float(np.mean(right))


def uniform(n: int) -> Callable[[Synthetic, list[Problem]], list[Outcome]]:
    vote = registry.get("self-consistency")

    def spend(engine: Synthetic, problems: list[Problem]) -> list[Outcome]:
        run = Run({"main": engine})

        async def main() -> list[Outcome]:
            return [await run.answer(vote(n=n), p) for p in problems]

        return run_in_token_time(main())

    return spend


def optimistic(n: int) -> Callable[[Synthetic, list[Problem]], list[Outcome]]:
    return lambda engine, problems: play(problems, engine, average=n, options=4)


WORLDS = 8  # 480 questions: a standard error of .018


@pytest.mark.parametrize(
    ("average", "even", "spent"), [(4, 0.723, 0.717), (8, 0.754, 0.788), (16, 0.813, 0.843)]
)
def test_agreement_on_synthetic_truth_is_that_of_the_reference(
    average: int, even: float, spent: float
) -> None:
    # The reference is one sample of 60 questions, with a standard error of .05, and .018 here: the
    # band is two standard errors of the difference
    assert agreement(uniform(average), WORLDS) == pytest.approx(even, abs=0.1)
    assert agreement(optimistic(average), WORLDS) == pytest.approx(spent, abs=0.1)


@pytest.mark.parametrize("n", [4, 16])
def test_an_even_split_agrees_as_often_as_the_exact_curves_say(n: int) -> None:
    exact = [agreement_curve(theta, n)[-1] for seed in range(WORLDS) for theta in world(seed).values()]
    # a standard error of at most .018 for the votes given the worlds: a false alarm in 10^4 at 4
    assert agreement(uniform(n), WORLDS) == pytest.approx(float(np.mean(exact)), abs=0.072)


@pytest.mark.parametrize(("n", "reference"), [(32, 0.846), (64, 0.879)])
def test_exact_curves_of_an_even_split_are_those_of_the_reference(n: int, reference: float) -> None:
    exact = [agreement_curve(theta, n)[-1] for seed in range(20) for theta in world(seed).values()]
    # the reference is one sample of 60 questions: a standard error of .045, two of them
    assert float(np.mean(exact)) == pytest.approx(reference, abs=0.09)


def allocated(gain: Callable[[list[float]], float], average: int, worlds: int) -> float:
    """Agreement of the greedy allocation by any estimate of the gain, on the same samples."""
    right = []
    for seed in range(worlds):
        truth = list(world(seed).values())
        rng = np.random.default_rng(1000 + seed)
        draws = [rng.choice(4, 200, p=theta) for theta in truth]
        alphas = [[1.0] * 4 for _ in truth]
        taken = [0] * len(truth)
        gains = np.full(len(truth), np.inf)
        for _ in range(average * len(truth)):
            q = int(gains.argmax())
            alphas[q][draws[q][taken[q]]] += 1
            taken[q] += 1
            gains[q] = gain(alphas[q])
        right += [int(np.argmax(a)) == int(t.argmax()) for a, t in zip(alphas, truth, strict=True)]
    return float(np.mean(right))


def test_a_noisy_estimate_of_the_gain_gives_the_gain_away() -> None:
    rng = np.random.default_rng(0)

    def sure(alpha: list[float]) -> float:
        sampled = rng.standard_gamma(alpha, (100, 4)).argmax(axis=1)
        return float(np.bincount(sampled, minlength=4).max()) / 100

    def noisy(alpha: list[float]) -> float:
        return max(sure([a + (i == m) for i, a in enumerate(alpha)]) for m in range(4)) - sure(alpha)

    # 16 worlds of 60 questions, paired draws: exact .79, noisy .76
    exact = allocated(optimistic_gain, 8, 16)
    assert exact > allocated(noisy, 8, 16) + 0.01


def test_after_a_few_samples_optimism_beats_an_even_split() -> None:
    # the same samples serve both; the gain at 8 and 16 is about .03
    for average in (8, 16):
        assert agreement(optimistic(average), WORLDS) > agreement(uniform(average), WORLDS)


def test_the_hard_third_gets_the_most_samples() -> None:
    truth = world(0)
    problems = [problem(name) for name in truth]
    spent = Counter[int]()
    for i, outcome in enumerate(play(problems, engine_of(truth), average=16, options=4)):
        spent[i % 3] += outcome.extra["drawn"]
    assert spent[2] > spent[1] > spent[0]
