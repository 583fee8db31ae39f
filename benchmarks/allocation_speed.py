"""Measure what allocation and confidence cost beside the models: PETS and DeepConf on one core.

    python benchmarks/allocation_speed.py [--questions N] [--average N] [--tokens N] [--seed S]

Every figure stands beside the obvious Python reference, on a smaller share of the same work, as a
ratio per unit of work. The last line of the output is JSON. Times are CPU seconds of this process.
"""

import argparse
import heapq
import json
import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ttscale.answers import rule_for
from ttscale.core import Problem, Prompt, Run, run_in_token_time
from ttscale.engines.synthetic import Synthetic, World
from ttscale.methods.allocation.pets import pets
from ttscale.signals import confidence

PRIORS = ((30, 1, 1, 1), (6, 3, 1, 1), (3, 2.4, 1.5, 1))  # easy, middling, hard questions
WINDOW, TAIL = 2048, 2048
TRACE = 10_000  # tokens of a trace


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what the work gave."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


# -- DeepConf


def measures(traces: list[np.ndarray]) -> list[confidence.Confidence]:
    return [confidence.measured(t, WINDOW, TAIL) for t in traces]


def measures_in_python(trace: list[float]) -> tuple[float, ...]:
    """All measures by a running sum, as one would write them without arrays."""
    running, groups = 0.0, []
    for i, value in enumerate(trace):
        running += value
        if i >= WINDOW:
            running -= trace[i - WINDOW]
        if i >= WINDOW - 1:
            groups.append(running / WINDOW)
    least = heapq.nsmallest(max(1, len(groups) // 10), groups)
    tail = trace[-TAIL:]
    return (sum(trace) / len(trace), min(groups), sum(least) / len(least), sum(tail) / len(tail))


def deepconf(tokens: int, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    traces = [rng.normal(13, 3, TRACE).astype(np.float32) for _ in range(max(1, tokens // TRACE))]
    seconds, found = timed(lambda: measures(traces))
    plain = [t.tolist() for t in traces[: max(1, len(traces) // 20)]]
    reference, expected = timed(lambda: [measures_in_python(t) for t in plain])
    for one, (mean, lowest, bottom, tail) in zip(found, expected, strict=False):
        assert np.allclose([one.mean, one.lowest, one.bottom, one.tail], [mean, lowest, bottom, tail])
    return {
        "tokens": len(traces) * TRACE,
        "seconds": seconds,
        "reference_tokens": len(plain) * TRACE,
        "reference_seconds": reference,
        "ratio": reference / len(plain) / (seconds / len(traces)),
    }


# -- PETS


def world(questions: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {f"q{i}": rng.dirichlet(PRIORS[i % 3]) for i in range(questions)}


def pets_offline(questions: int, average: int, seed: int) -> dict[str, float]:
    truth = world(questions, seed)
    rule = rule_for("text")
    problems = [
        Problem(name, Prompt.user(name), rule, str(theta.argmax()), choices=("0", "1", "2", "3"))
        for name, theta in truth.items()
    ]
    engine = Synthetic(
        {
            name: World(answers={str(i): float(p) * 0.999999 for i, p in enumerate(theta)})
            for name, theta in truth.items()
        }
    )
    run = Run({"main": engine}, seed=seed)
    cfg = pets.configure({"average": average})
    seconds, outcomes = timed(lambda: run_in_token_time(run.answer_set(pets.bind(cfg), problems)))
    agreed = np.mean([p.correct(o.answer) for p, o in zip(problems, outcomes, strict=True)])
    spent = sum(o.extra["drawn"] for o in outcomes)
    assert spent == questions * average
    share = max(1, questions // 50)
    reference, sampled = timed(lambda: pets_in_python(dict(list(truth.items())[:share]), average, seed))
    return {
        "questions": questions,
        "average": average,
        "seconds": seconds,
        "agreement": float(agreed),
        "reference_questions": share,
        "reference_seconds": reference,
        "ratio": (reference / sampled) / (seconds / spent),
    }


def pets_in_python(truth: dict[str, np.ndarray], average: int, seed: int) -> int:
    """The released estimator in plain Python: 500 Gamma draws per probability."""
    rng = random.Random(seed)
    alphas = {name: [1] * 4 for name in truth}

    def sure(alpha: list[int]) -> float:
        wins = [0] * len(alpha)
        for _ in range(500):
            sampled = [rng.gammavariate(a, 1) for a in alpha]
            wins[sampled.index(max(sampled))] += 1
        return max(wins) / 500

    def gain(alpha: list[int]) -> float:
        now = sure(alpha)
        grown = [[a + (i == m) for i, a in enumerate(alpha)] for m in range(len(alpha))]
        return max(sure(g) for g in grown) - now

    gains = {name: gain(alpha) for name, alpha in alphas.items()}
    sampled = 0
    for _ in range(average * len(truth)):
        name = max(gains, key=lambda n: gains[n])
        alphas[name][rng.choices(range(4), truth[name])[0]] += 1
        gains[name] = gain(alphas[name])
        sampled += 1
    return sampled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--average", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    allocation = pets_offline(args.questions, args.average, args.seed)
    print(
        f"PETS offline    {args.questions} questions x {args.average} samples"
        f"  {allocation['seconds']:6.2f} s (limit 10 s)"
        f"   {allocation['ratio']:6.0f} x the reference"
    )
    measured = deepconf(args.tokens, args.seed)
    print(
        f"DeepConf        {measured['tokens'] / 1e6:.0f} million tokens, all measures"
        f"  {measured['seconds']:6.2f} s (limit 2 s)    {measured['ratio']:6.0f} x the reference"
    )
    print(json.dumps({"seed": args.seed, "pets_offline": allocation, "deepconf": measured}))


if __name__ == "__main__":
    main()
