"""Turn scaling on a model whose repairs and losses are known, and what a turn is shown."""

from __future__ import annotations

import random

import numpy as np
import pytest
from fakes import Boxed, Scripted, answer, problem, said

from ttscale.core import (
    GenerationRequest,
    Image,
    Message,
    Problem,
    Prompt,
    Run,
    Trace,
    UsageError,
    run_in_token_time,
)
from ttscale.methods import registry
from ttscale.methods.refinement.revision import continued, shown
from ttscale.methods.refinement.turns import Config, turns

R, S = 0.25, 0.38  # chances of a repair and of a loss; S as in arXiv:2408.03314


def chain(start: float, repair: float, loss: float) -> Scripted:
    """Right with probability `start`, then the two-state Markov chain."""

    def script(call: GenerationRequest) -> Trace:
        rng = random.Random(call.seed)
        asked = call.prompt.text
        if "previous answer" not in asked:
            right = rng.random() < start
        elif "<answer>right</answer>" in asked:
            right = rng.random() >= loss
        else:
            right = rng.random() < repair
        return said("right" if right else "wrong", 7, meta={"seed": call.seed})

    return Scripted(script)


def accuracy(engine: Scripted, runs: int = 1500, **params: object) -> float:
    run, cfg = Run({"main": engine}), turns.configure(params)

    async def main() -> float:
        outcomes = [await run.answer(turns.bind(cfg), problem(f"q{i}")) for i in range(runs)]
        return float(np.mean([o.answer == "right" for o in outcomes]))

    return run_in_token_time(main())


def markov(start: float, repair: float, loss: float, n: int) -> float:
    """P(right after n turns)."""
    p = start
    for _ in range(n - 1):
        p = p * (1 - loss) + (1 - p) * repair
    return p


def test_one_turn_is_plain_decoding_to_the_byte() -> None:
    simple = registry.get("simple")
    for seed in range(5):
        one = answer(chain(0.5, R, S), turns, Config(turns=1), seed=seed)
        plain = answer(chain(0.5, R, S), simple, simple.configure({}), seed=seed)
        assert (one.answer, one.traces, one.usage) == (plain.answer, plain.traces, plain.usage)


def test_the_last_turn_tends_to_repairs_over_repairs_and_losses() -> None:
    assert markov(0.9, R, S, 60) == pytest.approx(R / (R + S))
    # 1,500 runs: a standard error of .013; a false alarm in 10^4 at 4
    found = accuracy(chain(0.9, R, S), turns=8, select="last")
    assert found == pytest.approx(markov(0.9, R, S, 8), abs=0.052)
    assert found == pytest.approx(R / (R + S), abs=0.06)


def test_choosing_among_all_turns_beats_taking_the_last() -> None:
    # a model that starts well and loses more than it repairs
    engine = chain(0.9, R, S)
    assert accuracy(engine, turns=4) > accuracy(engine, turns=4, select="last") + 0.05


def test_a_verifier_over_the_chain_beats_its_last_answer() -> None:
    # a verifier with an area under the curve of .84: right answers score .5 higher on average
    def scored(trace: Trace) -> float:
        rng = random.Random(trace.meta["seed"] + 1)
        return 1.0 + 0.5 * ("right" in trace.text) + rng.gauss(0.0, 0.35)

    engine = chain(0.5, R, S)
    engine.capabilities = frozenset({"text", "reward"})
    engine.rewards = scored
    last = accuracy(engine, turns=6, select="last")
    assert last == pytest.approx(markov(0.5, R, S, 6), abs=0.052)
    assert accuracy(engine, turns=6, select="prm") > last + 0.06  # .51 against .39
    assert accuracy(engine, turns=6) > last - 0.052  # the vote at least keeps it


@pytest.mark.parametrize("n", [1, 2, 4])
def test_with_an_absorbing_state_the_last_turn_is_the_geometric_curve(n: int) -> None:
    # arXiv:2505.20522: sequential and parallel scaling share 1 - (1 - p)^n
    found = accuracy(chain(0.3, 0.3, 0.0), turns=n, select="last")
    assert found == pytest.approx(1 - 0.7**n, abs=0.052)


def test_turns_wait_for_one_another() -> None:
    outcome = answer(chain(0.5, R, S), turns, Config(turns=4))
    assert outcome.usage.sequential_tokens == outcome.usage.completion_tokens == 28


def test_only_the_answer_is_carried_unless_more_is_asked_for() -> None:
    engine = Scripted(lambda call: Trace("<think>\nlong\n</think>\n\\boxed{a}", 3))
    answer(engine, turns, Config(turns=2))
    second = engine.calls[1].prompt.text
    assert second.endswith("<answer>a</answer>, and please re-answer.")
    assert "long" not in second


def test_a_solution_is_carried_without_its_thinking_unless_asked_for() -> None:
    def shown_in(thinking: bool) -> str:
        engine = Scripted(lambda call: Trace("<think>\nlong\n</think>\nso \\boxed{a}", 3))
        answer(engine, turns, Config(turns=2, carry="solution", thinking=thinking))
        return engine.calls[1].prompt.text

    assert "so \\boxed{a}" in shown_in(False)
    assert "long" not in shown_in(False)
    assert "long" in shown_in(True)


def test_a_reflection_is_a_call_of_its_own_and_is_shown() -> None:
    def script(call: GenerationRequest) -> Trace:
        return said("a") if "List the errors" not in call.prompt.text else Trace("check 7", 5)

    engine = Scripted(script)
    outcome = answer(engine, turns, Config(turns=3, carry="reflection"))
    assert outcome.usage.calls == 5
    assert "Notes on it:\ncheck 7" in engine.calls[2].prompt.text


def test_prompts_do_not_grow_with_the_turns() -> None:
    engine = chain(0.5, R, S)
    answer(engine, turns, Config(turns=9))
    assert len({len(call.prompt.text) for call in engine.calls[1:]}) == 1


def counter(steps: int) -> Scripted:
    """Counts to `steps`, a token a number, from where the beginning it is shown stops."""

    def script(call: GenerationRequest) -> Trace:
        asked, first = call.prompt.text, 1
        if "ran out of space" in asked:
            counted = [int(w) for w in asked.split(":\n")[1].split("\n\n")[0].split()]
            first = counted[-1] + 1
        words = [f"{i} " for i in range(first, steps + 1)] + ["\\boxed{right}"]
        ends = np.cumsum([len(w) for w in words]).tolist()
        return Trace("".join(words), len(words), ends=ends)

    return Scripted(script)


@pytest.mark.parametrize(("taken", "solved"), [(1, False), (2, False), (3, True)])
def test_turns_carry_unfinished_work_beyond_the_context(taken: int, solved: bool) -> None:
    # 25 steps and a box in turns of 10 tokens
    outcome = answer(counter(25), turns, Config(turns=taken, max_tokens=10))
    assert (outcome.answer == "right") is solved


def test_a_failed_turn_ends_it_with_what_there_is() -> None:
    script = [said("a"), Trace("", 2, "refused"), said("b")]
    outcome = answer(Scripted(script), turns, Config(turns=3))
    assert (outcome.answer, outcome.usage.calls) == ("a", 2)


def test_a_verifier_may_choose_among_the_turns() -> None:
    script = [said("a", 3), said("b", 9), said("c", 5)]
    engine = Scripted(script, rewards=lambda trace: trace.tokens)
    outcome = answer(engine, turns, Config(turns=3, select="prm"))
    assert outcome.answer == "b"
    assert "prm" in turns.needs(Config(select="prm"))


def test_chains_of_one_turn_are_parallel_sampling() -> None:
    vote = registry.get("self-consistency")
    for seed in range(5):
        wide = answer(chain(0.5, R, S), turns, Config(turns=1, chains=6), seed=seed)
        plain = answer(chain(0.5, R, S), vote, vote.configure({"n": 6}), seed=seed)
        assert (wide.answer, wide.traces, wide.usage) == (plain.answer, plain.traces, plain.usage)


def test_chains_do_not_wait_for_one_another() -> None:
    outcome = answer(chain(0.5, R, S), turns, Config(turns=3, chains=4))
    assert (outcome.usage.calls, outcome.usage.sequential_tokens) == (12, 21)


def test_a_verifier_decides_in_every_chain_and_then_among_them() -> None:
    # scores: the first chain says a .9, b .5, b .5 and so b; the second a three times at .2
    first, second = [("a", 9), ("b", 5), ("b", 5)], [("a", 2)] * 3
    pairs = [x for pair in zip(first, second, strict=True) for x in pair]
    script = [said(name, meta={"score": score / 10}) for name, score in pairs]
    engine = Scripted(script, rewards=lambda trace: trace.meta["score"])
    outcome = answer(engine, turns, Config(turns=3, chains=2, select="prm"))
    assert outcome.answer == "b"  # .5 for b against .2 for a; a flat sum would say a


def test_the_scores_of_an_answer_add_up() -> None:
    # arXiv:2408.03314: .91 for A, .63 and .62 for B: the best is A, the weighted vote B
    script = [said("A", 91), said("B", 63), said("B", 62)]
    engine = Scripted(script, rewards=lambda trace: trace.tokens / 100)
    assert answer(engine, turns, Config(turns=3, select="prm")).answer == "B"


@pytest.mark.parametrize(
    "bad", [{"turns": 0}, {"chains": 0}, {"carry": "all"}, {"select": "best"}, {"max_tokens": 0}]
)
def test_bad_values_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        turns.configure(bad)


def test_what_is_added_joins_what_the_user_said_last() -> None:
    image = Image("data:image/png;base64,AA==")
    with_image = continued(Prompt.user("look", image, system="s"), "again")
    assert with_image.messages[1].content == ("look", image, "again")
    assert continued(Prompt(raw="Q:"), "again").raw == "Q:\n\nagain"
    alone = continued(Prompt((Message("system", "s"),)), "again")
    assert alone.messages[-1] == Message("user", "again")


def test_raw_prompts_work_too() -> None:
    engine = Scripted([said("a"), said("a")])
    answer(engine, turns, Config(turns=2), of=Problem("p", Prompt(raw="Q: 1+1"), Boxed()))
    assert engine.calls[1].prompt.raw is not None
    assert engine.calls[1].prompt.raw.startswith("Q: 1+1\n\n")


def test_a_shown_solution_has_no_tags() -> None:
    trace = Trace("<think>\na\n</think>\nb")
    assert (shown(trace, False), shown(trace, True)) == ("b", "a\n\nb")
