"""ATTS on a scripted draft and target: who writes what, what is scored, and who waits for whom."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from fakes import Scripted, nothing_left, problem

from ttscale.core import (
    Budget,
    CapabilityError,
    GenerationRequest,
    Outcome,
    Prompt,
    RecordError,
    Run,
    Score,
    Trace,
    UsageError,
    run_in_token_time,
)
from ttscale.methods import registry
from ttscale.methods.routing.atts import Config, atts, atts_marginal
from ttscale.methods.routing.conformal import Bank, rejection_rate

LAST = 3  # segments of a solution


def quality(text: str) -> float:
    """What the target thinks of a segment: written on it, as "d(-1.25)"."""
    return float(text.split("(")[1].split(")")[0])


def segment(call: GenerationRequest, right: float) -> Trace:
    """A segment with a random quality and length; the third holds the answer."""
    rng = random.Random(call.seed)
    text = f"{call.role[0]}({-rng.expovariate(1.0):.6f})"
    number = len([part for part in call.prompt.prefix.split("\n\n") if part]) + 1
    if number >= LAST:
        text += f"\\boxed{{{'right' if rng.random() < right else 'wrong'}}}"
    return Trace(text, round(rng.lognormvariate(3, 1)) + 1, prompt_tokens=5)


class Target(Scripted):
    """Writes well, and scores by what is written on the segment."""

    def __init__(self, right: float = 1.0, speed: int = 1) -> None:
        super().__init__(
            lambda call: segment(call, right), capabilities=("text", "prefix", "score"), speed=speed
        )
        self.scored: list[tuple[str, str]] = []

    async def score(self, prompt: Prompt, text: str) -> Score:
        self.scored.append((prompt.prefix, text))
        return Score(np.full(2, quality(text), np.float32), 2)


def draft(right: float = 0.0, speed: int = 1) -> Scripted:
    return Scripted(lambda call: segment(call, right), capabilities=("text", "prefix"), speed=speed)


def play(
    target: Target | None = None, drafts: Scripted | None = None, seed: int = 0, **params: object
) -> Outcome:
    target, drafts = target or Target(), drafts or draft()
    run = Run({"main": target, "target": target, "draft": drafts}, seed=seed)

    async def main() -> Outcome:
        outcome = await run.answer(atts(**params), problem())
        nothing_left()
        return outcome

    return run_in_token_time(main())


def saved(tmp_path: Path, *scores: float) -> str:
    Bank.of(scores, 500, 0.8).save(tmp_path / "bank.json")
    return str(tmp_path / "bank.json")


# -- the pipeline


def test_the_target_takes_over_what_is_worse_than_the_bank(tmp_path: Path) -> None:
    never = play(bank=saved(tmp_path, *[-99.0] * 9), chains=4)
    assert never.extra["rejected"] == [0, 0, 0]
    assert {t.role for t in never.traces} == {"draft"}
    always = play(bank=saved(tmp_path, *[0.0] * 9), chains=4)
    assert always.extra["rejected"] == [1, 1]  # the second turn's continuation is the third segment
    assert sum(t.role == "target" for t in always.traces) == 8


def test_a_segment_at_alpha_itself_is_kept(tmp_path: Path) -> None:
    # p = (2 + 1) / 5 of every segment
    drafts = Scripted(lambda call: Trace("d(-1.0)", 5), capabilities=("text", "prefix"))
    outcome = play(drafts=drafts, bank=saved(tmp_path, -2, -2, -0.5, -0.5), chains=2, turns=2)
    assert outcome.extra["rejected"] == [0, 0]
    assert {t.role for t in outcome.traces} == {"draft"}


def test_models_are_asked_for_segments_of_their_own_lengths_at_one_temperature() -> None:
    target, drafts = Target(), draft()
    play(
        target, drafts, chains=2, calibration=3, draft_tokens=400, target_tokens=300, temperature=0.3, alpha=0
    )
    asked = {(c.role, c.sampling.max_tokens, c.sampling.temperature) for c in target.calls + drafts.calls}
    assert asked == {("draft", 400, 0.3), ("target", 300, 0.3)}


def test_a_chain_has_all_its_tokens_and_the_targets_share_is_of_them(tmp_path: Path) -> None:
    outcome = play(bank=saved(tmp_path, *[0.0] * 9), chains=1)
    assert outcome.winner is not None
    assert outcome.winner.tokens == sum(t.tokens for t in outcome.traces) == outcome.usage.completion_tokens
    written = outcome.usage.by["target"].completion_tokens
    assert 1 < written < outcome.winner.tokens
    assert outcome.extra["target_share"] == pytest.approx(written / outcome.winner.tokens)


def test_a_rejected_segment_stays_and_the_target_goes_on_behind_it(tmp_path: Path) -> None:
    target = Target()
    play(target, bank=saved(tmp_path, 0.0), chains=1)
    taken = [c for c in target.calls if c.role == "target"]
    assert taken[0].prompt.prefix.startswith("d(")
    assert taken[0].prompt.prefix.endswith("\n\n")


def test_only_the_last_segment_is_scored(tmp_path: Path) -> None:
    target = Target()
    play(target, bank=saved(tmp_path, -99.0), chains=3)
    assert len(target.scored) == 9
    for before, text in target.scored:
        assert text.count("(") == 1
        assert text not in before
        assert len([part for part in before.split("\n\n") if part]) < LAST


def test_a_chain_stops_at_its_answer_or_at_its_turns(tmp_path: Path) -> None:
    bank = saved(tmp_path, -99.0)
    assert play(bank=bank, chains=2).usage.by["draft"].calls == 2 * LAST
    short = play(bank=bank, chains=2, turns=2)
    assert (short.answer, short.usage.by["draft"].calls) == (None, 4)


def test_calibration_is_planning_and_the_step_that_ends_a_chain_is_an_answer() -> None:
    outcome = play(chains=2, calibration=5)
    parts = [t.part for t in outcome.traces]
    assert (parts.count("calibration"), parts.count("answer")) == (5, 2)
    assert parts.count("step") == len(parts) - 7
    calibrated = sum(t.tokens for t in outcome.traces if t.part == "calibration")
    assert outcome.usage.planning_tokens == calibrated > 0
    assert outcome.winner is not None
    assert outcome.winner.part == "answer"


def test_chains_that_have_ended_answer_when_a_budget_ends_the_others(tmp_path: Path) -> None:
    free = play(bank=saved(tmp_path, -99.0), chains=4)
    run = Run({"main": Target(), "target": Target(), "draft": draft()})
    chosen = atts(bank=saved(tmp_path, -99.0), chains=4)
    budget = Budget(tokens=free.usage.completion_tokens - 1)
    held = run_in_token_time(run.answer(chosen, problem(), budget=budget))
    assert (held.answer, held.stopped_by) == (free.answer, "budget:tokens")
    assert held.winner is not None
    assert held.winner.text.count("d(") == LAST  # the whole chain, not its last segment


def test_an_empty_segment_ends_a_chain(tmp_path: Path) -> None:
    outcome = play(drafts=Scripted(lambda call: Trace("", 1)), bank=saved(tmp_path, 0.0), chains=2)
    assert (outcome.answer, outcome.usage.calls) == (None, 2)


def test_a_segment_cut_by_its_limit_goes_on(tmp_path: Path) -> None:
    def cut(call: GenerationRequest) -> Trace:
        trace = segment(call, 1.0)
        trace.finish = "length" if call.prompt.prefix.count("\n\n") < LAST else "stop"
        return trace

    outcome = play(drafts=Scripted(cut), bank=saved(tmp_path, -99.0), chains=1)
    assert (outcome.answer, outcome.usage.by["draft"].calls) == ("right", LAST + 1)


def test_chains_vote(tmp_path: Path) -> None:
    outcome = play(drafts=draft(0.7), bank=saved(tmp_path, -99.0), chains=15)
    assert outcome.answer == "right"
    assert outcome.winner is not None
    assert outcome.winner.text.count("\n\n") == LAST - 1
    assert sum(outcome.extra["votes"]) == 15


# -- calibration


def test_without_a_bank_the_question_makes_its_own() -> None:
    target = Target()
    outcome = play(target, chains=2, calibration=5)
    assert outcome.extra["bank"] == 5
    assert [before for before, _ in target.scored[:5]] == [""] * 5
    assert outcome.usage.by["draft"].calls == 5 + sum(t.role == "draft" for t in outcome.traces[5:])


def test_a_bank_serves_a_whole_set() -> None:
    target, drafts = Target(), draft()
    run = Run({"main": target, "target": target, "draft": drafts})
    asked = [problem(f"q{i}") for i in range(3)]

    async def main() -> list[Outcome]:
        cfg = atts_marginal.configure({"chains": 2, "calibration": 4})
        return await run.answer_set(atts_marginal.bind(cfg), asked)

    outcomes = run_in_token_time(main())
    assert [o.extra["bank"] for o in outcomes] == [12] * 3
    assert all(o.usage.by["draft"].calls >= 4 + 2 for o in outcomes)


def test_turn_one_is_rejected_at_the_rate_that_alpha_sets() -> None:
    # 40 questions of 16 chains, a bank of 16 each. Chains of a question share their bank: the
    # spread of a question's rate is sqrt(.4 * .6 / 18) = .115, of the mean .018 plus .02
    rates = [play(seed=seed, turns=1).extra["rejected"][0] for seed in range(40)]
    assert np.mean(rates) == pytest.approx(rejection_rate(0.6, 16), abs=0.11)


def test_later_turns_leave_the_calibration_distribution(tmp_path: Path) -> None:
    """Exchangeable with the bank is the first segment only: where later ones are worse, more are
    rejected, as in the recorded run of the paper's authors (.40 at turn 1, .61 at turn 15)."""

    def worse(call: GenerationRequest) -> Trace:
        rng = random.Random(call.seed)
        done = call.prompt.prefix.count("\n\n")
        box = "\\boxed{x}" if done >= 7 else ""
        return Trace(f"d({-rng.expovariate(1.0) - 0.3 * done:.6f}){box}", 5)

    bank = saved(tmp_path, *(-random.Random(f"bank {i}").expovariate(1.0) for i in range(1600)))
    drafts = Scripted(worse, capabilities=("text", "prefix"))
    outcome = play(drafts=drafts, bank=bank, chains=400, turns=4)
    rates = outcome.extra["rejected"]
    # 400 chains: a standard error of .025, of the bank .012; a false alarm in 10^4 at 4
    assert rates[0] == pytest.approx(rejection_rate(0.6, 1600), abs=0.11)
    assert rates == sorted(rates)
    assert rates[-1] > rates[0] + 0.1


def test_alpha_sets_the_targets_share_and_the_accuracy_moves_with_it() -> None:
    shares, right = [], []
    for alpha in (0.0, 0.3, 0.6, 0.9, 1.0):
        outcomes = [play(seed=s, alpha=alpha, chains=8) for s in range(12)]
        shares.append(np.mean([o.extra["target_share"] for o in outcomes]))
        # a chain is right if the target wrote its last box: it writes one at most
        right.append(np.mean([sum("{right}" in t.text for t in o.traces) / 8 for o in outcomes]))
    assert shares == sorted(shares, reverse=True)
    assert right == sorted(right, reverse=True)
    assert (shares[-1], right[-1]) == (0, 0)  # the draft alone
    assert right[0] == 1  # the target has the last word in every chain


# -- asynchrony


@pytest.mark.parametrize("speeds", [(1, 5), (7, 1)])
def test_decisions_do_not_depend_on_who_arrives_first(speeds: tuple[int, int]) -> None:
    even = play()
    skewed = play(Target(speed=speeds[0]), draft(speed=speeds[1]))
    assert even.extra == skewed.extra
    assert sorted(t.text for t in even.traces) == sorted(t.text for t in skewed.traces)


def makespans(chains: int, sigma: float, seed: int) -> tuple[float, float]:
    """(asynchronous, synchronous) tokens: the longest chain, and the sum of each turn's longest."""

    def script(call: GenerationRequest) -> Trace:
        rng = random.Random(call.seed)
        done = call.prompt.prefix.count("\n\n")
        text = f"d({rng.random()})" + ("\\boxed{x}" if done == 5 else "")
        return Trace(text, max(1, round(rng.lognormvariate(5, sigma))))

    target, drafts = Target(), Scripted(script)
    run = Run({"main": target, "target": target, "draft": drafts}, seed=seed)

    async def main() -> Outcome:
        # nobody is rejected, and calibration is over before the clock that counts starts
        cfg = Config(chains=chains, alpha=1.0, calibration=1)
        return await run.answer(atts.bind(cfg), problem())

    outcome = run_in_token_time(main())
    turn = {c.prompt.key: c.prompt.prefix.count("\n\n") for c in drafts.calls}
    by_turn: dict[int, list[int]] = {}
    for trace in outcome.traces[1:]:
        by_turn.setdefault(turn[trace.prompt_key], []).append(trace.tokens)
    calibrated = outcome.traces[0].tokens
    synchronous = sum(max(tokens) for tokens in by_turn.values())
    return outcome.usage.sequential_tokens - calibrated, synchronous


def test_one_chain_gains_nothing_from_not_waiting() -> None:
    alone, together = makespans(1, 1.0, 0)
    assert alone == together


def test_not_waiting_gains_more_with_more_chains_and_more_variance() -> None:
    def gain(chains: int, sigma: float) -> float:
        made = [makespans(chains, sigma, seed) for seed in range(10)]
        return float(np.mean([together / alone for alone, together in made]))

    # expected: 1.16, 1.49, 1.80 and 1.20, 1.64, 2.0, each with a standard error of .03 to .1
    by_chains = [gain(m, 0.6) for m in (2, 8, 32)]
    by_variance = [gain(16, sigma) for sigma in (0.2, 0.6, 1.2)]
    assert by_chains == sorted(by_chains)
    assert by_variance == sorted(by_variance)
    assert by_chains[0] > 1


# -- bad input


def test_a_target_that_cannot_score_is_refused() -> None:
    method = registry.get("atts")
    run = Run({"main": draft()})
    with pytest.raises(CapabilityError, match="score from role 'target'"):
        run.check(method())


@pytest.mark.parametrize(
    "bad", [{"chains": 0}, {"turns": 0}, {"alpha": 1.5}, {"draft_tokens": 0}, {"calibration": 0}]
)
def test_bad_values_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        atts.configure(bad)


def test_a_missing_or_unfitting_bank_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot read"):
        atts.configure({"bank": "nowhere.json"})
    with pytest.raises(UsageError, match="temperature"):
        atts.configure({"bank": saved(tmp_path, -1.0), "temperature": 1.0})
