"""Measure what the metrics cost: ARISE, cons@k and eFLOPs against plain Python.

    python benchmarks/metrics_speed.py [--rows N] [--seed S]

ARISE runs on N rows (items) of three levels, the plain references on a share of the same work, as a
ratio per unit of work. Times are CPU seconds of this process. The last line of the output is JSON.
"""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ttscale.metrics.accuracy.consk import cons_at_k
from ttscale.metrics.cost.eflops import B200, dense
from ttscale.metrics.cost.model_sizes import Shape
from ttscale.metrics.curves.arise import arise

SHAPE = Shape(hidden=1024, layers=28, heads=16, kv_heads=8, head_dim=128, intermediate=3072, vocab=151936)
SHARE = 50  # the references do one part in so many


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what the work gave."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def compared(name: str, units: int, work: Any, share: int, reference: Any) -> dict[str, Any]:
    """One line of the table; both must give the same numbers where they overlap."""
    seconds, found = timed(work)
    plain, expected = timed(reference)
    assert np.allclose(found[: len(expected)], expected), name
    ratio = (plain / share) / (seconds / units)
    print(f"{name:40} {units:>10,} in {seconds:7.3f} s   plain Python {ratio:7.1f} x as long")
    return {"units": units, "seconds": seconds, "reference_seconds": plain, "ratio": ratio}


def arise_in_python(accuracy: list[list[float]], tokens: list[list[float]]) -> list[float]:
    scores = []
    for a, t in zip(accuracy, tokens, strict=True):
        score = 0.0
        for j in range(1, len(a)):
            delta = a[j] - a[j - 1]
            if delta and t[j] > 0 and t[j - 1] > 0:
                score += delta * (t[j - 1] / t[j] if delta > 0 else t[j] / t[j - 1])
        scores.append(score)
    return scores


def eflops_in_python(lengths: list[int]) -> list[float]:
    """Step by step."""
    found = []
    for length in lengths:
        total = 0.0
        for t in range(length):
            position = t + 0.5
            total += 2 * SHAPE.parameters
            total += 4 * position * SHAPE.layers * SHAPE.heads * SHAPE.head_dim
            total += B200 * 2 * SHAPE.kv_elements * position
        found.append(total)
    return found


def cons_by_drawing(counts: Counter[str], k: int, draws: int, seed: int) -> float:
    """The usual estimate, from random subsets."""
    rng = random.Random(seed)
    pool = list(counts.elements())
    won = 0.0
    for _ in range(draws):
        votes = Counter(rng.sample(pool, k))
        top = max(votes.values())
        leaders = [a for a, c in votes.items() if c == top]
        won += ("right" in leaders) / len(leaders)
    return won / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    found: dict[str, Any] = {"rows": args.rows, "seed": args.seed}

    accuracy = (rng.random((args.rows, 3)) < 0.5).astype(float)
    tokens = rng.integers(100, 8000, (args.rows, 3)).astype(float)
    share = max(1, args.rows // SHARE)
    part = accuracy[:share].tolist(), tokens[:share].tolist()
    found["arise"] = compared(
        "ARISE, rows of three levels",
        args.rows,
        lambda: arise(accuracy, tokens).items,
        share,
        lambda: arise_in_python(*part),
    )

    lengths = rng.integers(100, 8000, 100_000)
    few = lengths[:40].tolist()
    found["eflops"] = compared(
        "eFLOPs, generations",
        len(lengths),
        lambda: dense(SHAPE, 0, lengths).total,
        len(few),
        lambda: eflops_in_python(few),
    )

    counts = Counter({"right": 30, "b": 20, "c": 10, "d": 4})
    exact, value = timed(lambda: cons_at_k(counts, "right", 16))
    sampled, estimate = timed(lambda: cons_by_drawing(counts, 16, 10_000, args.seed))
    print(
        f"{'cons@16 of 64 samples, exact':40} {1:>10,} in {exact:7.3f} s   "
        f"10,000 random subsets {sampled / exact:.1f} x as long, off by {abs(value - estimate):.4f}"
    )
    found["cons"] = {"seconds": exact, "ratio": sampled / exact, "error": abs(value - estimate)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
