"""3D scaling on a simulator with known truth: a recursion, its limits, and the reductions."""

from __future__ import annotations

import math
import random
import re

import numpy as np
import pytest
from fakes import Scripted, answer, nothing_left, problem, said

from ttscale.core import GenerationRequest, Outcome, Run, Trace, UsageError, run_in_token_time
from ttscale.methods import registry
from ttscale.methods.refinement.three_d import Config, three_d


class Simulator(Scripted):
    """Candidates are right with probability p0, revisions repair with r and lose with s.

    The judge picks a right candidate, where there is one, with probability j, else any.
    """

    def __init__(self, p0: float, r: float, s: float, j: float) -> None:
        self.p0, self.r, self.s, self.j = p0, r, s, j
        super().__init__(self.play)

    def play(self, call: GenerationRequest) -> Trace:
        rng, asked = random.Random(call.seed), call.prompt.text
        if call.role == "judge":
            candidates = re.findall(r"Solution \d+:\n(.*)", asked)
            good = [i for i, text in enumerate(candidates, 1) if "right" in text]
            pick = rng.choice(good) if good and rng.random() < self.j else None
            return Trace(str(pick or rng.randint(1, len(candidates))), 1)
        if "List the errors" in asked:
            return Trace("notes", 4)
        chance = self.p0
        if "A previous solution" in asked:
            chance = 1 - self.s if "{right}" in asked else self.r
        return said("right" if rng.random() < chance else "wrong", 6)


def picked(u: float, j: float, batch: int) -> float:
    """P(the pick of a turn is right) if each of its candidates is with probability u."""
    return sum(
        math.comb(batch, k)
        * u**k
        * (1 - u) ** (batch - k)
        * (1.0 if k == batch else 0.0 if k == 0 else j + (1 - j) * k / batch)
        for k in range(batch + 1)
    )


def recursion(p0: float, r: float, s: float, j: float, batch: int, turns: int) -> float:
    """P(the pick of the last turn is right): all candidates of a turn revise one pick."""
    a = picked(p0, j, batch)
    for _ in range(turns - 1):
        a = a * picked(1 - s, j, batch) + (1 - a) * picked(r, j, batch)
    return a


def simulate(p0: float, r: float, s: float, j: float, runs: int = 800, **params: object) -> float:
    """Share of right answers of the last turn, judged once."""
    return share_right(simulated(p0, r, s, j, runs, **params))


def share_right(outcomes: list[Outcome]) -> float:
    return float(np.mean([o.answer == "right" for o in outcomes]))


def simulated(p0: float, r: float, s: float, j: float, runs: int, **params: object) -> list[Outcome]:
    given = {"aggregator": "judge", "judgements": 1, "select": "last", "carry": "solution"}
    cfg = three_d.configure({**given, **params})
    run = Run({"main": Simulator(p0, r, s, j)})

    async def main() -> list[Outcome]:
        outcomes = [await run.answer(three_d.bind(cfg), problem(f"q{i}")) for i in range(runs)]
        nothing_left()
        return outcomes

    return run_in_token_time(main())


@pytest.mark.parametrize(
    ("batch", "turns", "j"), [(1, 3, 0.5), (4, 1, 0.6), (4, 3, 0.6), (3, 2, 0.0), (8, 2, 1.0)]
)
def test_simulation_follows_the_recursion(batch: int, turns: int, j: float) -> None:
    p0, r, s = 0.3, 0.3, 0.2
    found = simulate(p0, r, s, j, batch=batch, turns=turns)
    # 800 runs: a standard error of at most .018; a false alarm in 10^4 at 4
    assert found == pytest.approx(recursion(p0, r, s, j, batch, turns), abs=0.071)


def test_a_perfect_judge_makes_batch_scaling_pass_at_b() -> None:
    assert recursion(0.3, 0, 0, 1.0, 5, 1) == pytest.approx(1 - 0.7**5)
    assert simulate(0.3, 0, 0, 1.0, batch=5, turns=1) == pytest.approx(1 - 0.7**5, abs=0.053)


def test_a_random_judge_makes_batch_scaling_worthless() -> None:
    for batch in (1, 2, 7):
        assert recursion(0.3, 0.3, 0.2, 0.0, batch, 3) == pytest.approx(recursion(0.3, 0.3, 0.2, 0.0, 1, 3))
    assert simulate(0.3, 0, 0, 0.0, batch=5, turns=1) == pytest.approx(0.3, abs=0.065)


def test_a_weak_judge_and_losses_make_more_turns_hurt() -> None:
    p0, r, s, j = 0.7, 0.1, 0.4, 0.1
    values = [recursion(p0, r, s, j, 2, t) for t in (1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert recursion(p0, r, s, j, 1, 80) == pytest.approx(r / (r + s))
    one, four = (simulate(p0, r, s, j, batch=2, turns=t) for t in (1, 4))
    assert four < one - 0.2


# -- reductions, to the byte


def same(a: Outcome, b: Outcome) -> None:
    assert (a.answer, a.traces) == (b.answer, b.traces)


@pytest.mark.parametrize("seed", range(4))
def test_one_turn_is_batch_scaling(seed: int) -> None:
    vote = registry.get("self-consistency")
    same(
        answer(Simulator(0.5, 0, 0, 0), three_d, Config(batch=5, turns=1), seed=seed),
        answer(Simulator(0.5, 0, 0, 0), vote, vote.configure({"n": 5}), seed=seed),
    )


@pytest.mark.parametrize("carry", ["answer", "solution", "reflection"])
@pytest.mark.parametrize("select", [("all", "vote"), ("last", "last")])
def test_a_batch_of_one_is_self_refinement(carry: str, select: tuple[str, str]) -> None:
    turns = registry.get("turns")
    for seed in range(4):
        one = Config(batch=1, turns=3, carry=carry, select=select[0])  # type: ignore[arg-type]
        same(
            answer(Simulator(0.5, 0.5, 0.5, 0), three_d, one, seed=seed),
            answer(
                Simulator(0.5, 0.5, 0.5, 0),
                turns,
                turns.configure({"turns": 3, "carry": carry, "select": select[1]}),
                seed=seed,
            ),
        )


@pytest.mark.parametrize("aggregator", ["vote", "judge", "prm"])
def test_one_candidate_in_one_turn_is_plain_decoding(aggregator: str) -> None:
    simple = registry.get("simple")
    one = Config(batch=1, turns=1, aggregator=aggregator)
    same(
        answer(Simulator(0.5, 0, 0, 0), three_d, one),
        answer(Simulator(0.5, 0, 0, 0), simple, simple.configure({})),
    )


# -- the context axis: a task of 25 steps and a box, a token each


def counting(call: GenerationRequest) -> Trace:
    asked, first = call.prompt.text, 1
    if "List the errors" in asked:
        return Trace("go on", 2)
    if "ran out of space" in asked:
        first = int(asked.split(":\n")[1].split("\n\n")[0].split()[-1]) + 1
    words = [f"{i} " for i in range(first, 26)] + ["\\boxed{right}"]
    ends = np.cumsum([len(w) for w in words]).tolist()
    return Trace("".join(words), len(words), ends=ends)


@pytest.mark.parametrize(
    ("context", "batch", "turns", "solved"),
    [(25, 1, 1, False), (26, 1, 1, True), (40, 1, 1, True), (10, 8, 1, False), (10, 1, 3, True)],
)
def test_only_turns_that_carry_work_reach_beyond_the_context(
    context: int, batch: int, turns: int, solved: bool
) -> None:
    cfg = Config(context=context, batch=batch, turns=turns)
    assert (answer(Scripted(counting), three_d, cfg).answer == "right") is solved


# -- what is spent


def test_everything_is_metered_and_told_apart_from_the_papers_budget() -> None:
    cfg = Config(context=6, batch=3, turns=2, aggregator="judge", select="last")
    outcome = answer(Simulator(0.5, 0.5, 0.5, 0), three_d, cfg, seed=3)
    assert outcome.extra["most"] == 6 * 3 * 2
    assert outcome.extra["solver_tokens"] == 36
    judged = outcome.usage.by["judge"].completion_tokens if "judge" in outcome.usage.by else 0
    assert outcome.usage.completion_tokens == 36 + outcome.extra["reflection_tokens"] + judged
    assert outcome.extra["reflection_tokens"] == 4


@pytest.mark.parametrize(("j", "s", "single", "mixed"), [(0.9, 0.1, 0.878, 0.911), (0.1, 0.4, 0.429, 0.457)])
def test_at_an_equal_budget_two_axes_beat_the_best_single_one(
    j: float, s: float, single: float, mixed: float
) -> None:
    # 8 candidates of equal length in all, as batch x turns
    value = {(b, 8 // b): recursion(0.3, 0.3, s, j, b, 8 // b) for b in (1, 2, 4, 8)}
    assert max(value[1, 8], value[8, 1]) == pytest.approx(single, abs=5e-4)
    assert max(value[2, 4], value[4, 2]) == pytest.approx(mixed, abs=5e-4)
    assert simulate(0.3, 0.3, s, j, batch=2, turns=4) == pytest.approx(value[2, 4], abs=0.071)


def test_with_reflections_and_judging_paid_for_two_axes_still_beat_the_best_single_one() -> None:
    budget, runs = 54, 300  # tokens of a question: 6 a solution, 4 of notes after a turn, 1 a judgement

    def dearest(batch: int, turns: int) -> int:
        return 6 * batch * turns + 4 * (turns - 1) + (turns if batch > 1 else 0)

    axes = {(b, t) for b in range(1, 10) for t in range(1, 10) if dearest(b, t) <= budget}
    value = {axis: recursion(0.3, 0.3, 0.1, 0.9, *axis) for axis in axes}
    best = max(axes, key=lambda axis: value[axis])
    alone = max((axis for axis in axes if 1 in axis), key=lambda axis: value[axis])
    assert (best, alone) == ((4, 2), (8, 1))
    assert value[best] > value[alone] + 0.03
    for batch, turns in (best, alone, (1, 5)):
        outcomes = simulated(0.3, 0.3, 0.1, 0.9, runs, batch=batch, turns=turns, carry="reflection")
        assert max(o.usage.tokens for o in outcomes) == dearest(batch, turns) <= budget
        # four standard errors: a false alarm in 10^4
        error = math.sqrt(value[batch, turns] * (1 - value[batch, turns]) / runs)
        assert abs(share_right(outcomes) - value[batch, turns]) < 4 * error


# -- judging


def candidates(*answers: str) -> list[Trace]:
    return [said(a) for a in answers]


def test_a_judge_that_disagrees_with_itself_yields_to_the_vote() -> None:
    def script(call: GenerationRequest) -> Trace:
        if call.role == "judge":
            return Trace("1", 1)  # always the first place, whoever stands there
        return said("aab"[call.index])

    outcome = answer(Scripted(script), three_d, Config(batch=3, turns=1, aggregator="judge"))
    assert outcome.answer == "a"


@pytest.mark.parametrize("loser", [0, 1])
def test_two_judgements_have_to_agree(loser: int) -> None:
    def script(call: GenerationRequest) -> Trace:
        if call.role != "judge":
            return said("baa"[call.index])
        shown = re.findall(r"Solution \d+:\n(.*)", call.prompt.text)
        wanted = "{b}" if call.index == loser else "{a}"
        return Trace(str(next(i for i, text in enumerate(shown, 1) if wanted in text)), 1)

    engine = Scripted(script)
    judged = answer(engine, three_d, Config(batch=3, turns=1, aggregator="judge"))
    assert judged.answer == "a"
    assert [c.sampling.temperature for c in engine.calls if c.role == "judge"] == [0, 0]


def test_every_judgement_sees_all_candidates_in_an_order_of_its_own() -> None:
    def script(call: GenerationRequest) -> Trace:
        return Trace("1", 1) if call.role == "judge" else said(f"{call.index}")

    engine = Scripted(script)
    answer(engine, three_d, Config(batch=8, turns=1, aggregator="judge"))
    orders = [re.findall(r"boxed{(\d)}", c.prompt.text) for c in engine.calls if c.role == "judge"]
    assert [sorted(order) for order in orders] == [list("01234567")] * 2
    # by chance two of these are equal once in 13,000
    assert len({"01234567", *map("".join, orders)}) == 3


def test_a_verifier_picks_what_it_scores_highest() -> None:
    engine = Scripted(candidates("a", "b", "c"), rewards=lambda t: {"a": 0.2, "b": 0.9, "c": 0.1}[t.text[7]])
    assert answer(engine, three_d, Config(batch=3, turns=1, aggregator="prm")).answer == "b"


def test_the_vote_of_all_turns_counts_every_candidate() -> None:
    # the turns pick a and b; of all six three are b
    cfg = Config(batch=3, turns=2, carry="solution")
    assert answer(Scripted(candidates(*"aacbbb")), three_d, cfg).answer == "b"
    assert answer(Scripted(candidates(*"aaabbc")), three_d, cfg).answer == "a"


def test_where_nothing_has_an_answer_the_longest_beginning_is_carried_on() -> None:
    beginnings = [Trace(text, n, "length") for text, n in (("brief", 3), ("lengthy", 9), ("middling", 6))]
    engine = Scripted([*beginnings, *candidates("a", "a", "a")])
    answer(engine, three_d, Config(batch=3, turns=2, carry="solution"))
    assert "lengthy" in engine.calls[3].prompt.text


def test_a_judge_that_names_no_candidate_yields_to_the_vote() -> None:
    def script(call: GenerationRequest) -> Trace:
        return Trace("the 9th", 1) if call.role == "judge" else said("aab"[call.index])

    outcome = answer(Scripted(script), three_d, Config(batch=3, turns=1, aggregator="judge"))
    assert outcome.answer == "a"


def test_a_judge_is_not_asked_where_all_agree() -> None:
    engine = Scripted(candidates("a", "a", "a"))
    outcome = answer(engine, three_d, Config(batch=3, turns=1, aggregator="judge"))
    assert (outcome.answer, outcome.usage.calls) == ("a", 3)


def test_many_candidates_are_judged_as_a_knockout() -> None:
    asked: list[int] = []

    def script(call: GenerationRequest) -> Trace:
        if call.role != "judge":
            return said("right" if call.index == 7 else f"wrong{call.index}")
        shown = re.findall(r"Solution \d+:\n(.*)", call.prompt.text)
        asked.append(len(shown))
        right = [i for i, text in enumerate(shown, 1) if "right" in text]
        return Trace(str(right[0] if right else 1), 1)

    cfg = Config(batch=10, turns=1, aggregator="judge", judge_at_once=4, judgements=1)
    outcome = answer(Scripted(script), three_d, cfg)
    assert (outcome.answer, asked) == ("right", [4, 4, 2, 3])


def test_a_rejected_candidate_is_shown_to_the_reflection() -> None:
    engine = Simulator(0.5, 0.5, 0.5, 0)
    answer(engine, three_d, Config(batch=6, turns=2))
    notes = next(c.prompt.text for c in engine.calls if "List the errors" in c.prompt.text)
    assert "Rejected solution:" in notes
    assert "{right}" in notes
    assert "{wrong}" in notes


def test_it_may_stop_when_a_turns_candidates_agree() -> None:
    outcome = answer(Simulator(1, 0, 0, 0), three_d, Config(batch=3, turns=5, stop_agreed=True))
    assert (outcome.stopped_by, outcome.usage.calls) == ("agreed", 3)


def test_without_any_candidate_it_ends() -> None:
    engine = Scripted(lambda call: Trace("", 1, "refused"))
    outcome = answer(engine, three_d, Config())
    assert (outcome.answer, outcome.stopped_by, outcome.usage.calls) == (None, "no_candidate", 4)


@pytest.mark.parametrize(
    "bad", [{"batch": 0}, {"turns": 0}, {"context": 0}, {"aggregator": "me"}, {"judge_at_once": 1}]
)
def test_bad_values_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        three_d.configure(bad)
