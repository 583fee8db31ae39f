"""What spending samples well saves, in one table: on any pool and on real large-model samples.

    python benchmarks/allocation.py [--pool STORE] [--data FOLDER] [--limit N] [--repeats R]

On `--pool`, a bench store (or file) of one model with 16 or more samples a question:
  DeepConf, low and high, against majority@16, in tokens at accuracy (needs log-probabilities in the pool);
  PETS offline and online against uniform allocation, in samples at equal consistency, i.e. agreement
  with the pool's own majority;
  the compute-optimal policy against the best single number of votes or of best-of-N samples, in
  generations at accuracy, two-fold.
On recorded_reasoning.csv in `--data` (default $TTSCALE_DATA, then ../shared/data beside the
repository; skipped when absent): Adaptive-Consistency, ESC, FFS-k and PETS, and how well TTSPM
predicts Hit@8 from the first four points.

Savings are given at the accuracy or consistency reached; where a method does not reach it, the whole
curve is in the JSON. Intervals are 95%, by bootstrap over questions. The last line is JSON.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ttscale.cli.config import Config
from ttscale.core import Outcome, Run, TTScaleError, Votes, execute
from ttscale.engines.pool import Pool
from ttscale.engines.spec import ModelSource, open_model
from ttscale.methods.parallel.pets_table import fit_table
from ttscale.methods.registry import parse
from ttscale.planner import Evidence, fit_policy, match, replayed
from ttscale.planner.evidence import graded
from ttscale.planner.fitting import placed, pool_labels
from ttscale.planner.saturation import fit, hit_curve

ROOT = Path(__file__).resolve().parents[1]
BOOT = 2000
Values = dict[str, np.ndarray]  # per question, means over repeats: right, agrees, tokens, samples


def majority(pool: Pool) -> dict[str, str | None]:
    """The answer most of a question's samples give."""
    found = {}
    for problem in pool.problems:
        votes = Votes(problem)
        for trace in pool.find(problem, "main", problem.prompt):
            votes.add(trace)
        found[problem.id] = votes.top()
    return found


def run(source: ModelSource, spec: str, repeats: int, first: int = 0) -> Values:
    """A method on all questions from `first` on, each repeat on the samples in another order."""
    (pool,) = source.pools
    asked, agreed = pool.problems[first:], majority(pool)
    chosen = parse(spec)
    rows = []
    for seed in range(repeats):
        run = Run({"main": source.make(order="shuffled")}, seed=seed)

        async def main(run: Run = run) -> list[Outcome]:
            if chosen.method.card.scope == "set":
                return await run.answer_set(chosen.method, chosen.cfg, asked)
            return [await run.answer(chosen.method, chosen.cfg, p) for p in asked]

        rows.append([
            (bool(p.correct(o.answer)),
             o.answer is not None and agreed[p.id] is not None
             and p.rule.same(o.answer, agreed[p.id] or ""),
             o.usage.completion_tokens, o.usage.sequential_tokens, o.usage.samples)
            for p, o in zip(asked, execute(run, main), strict=True)
        ])  # fmt: skip
    means = np.array(rows, dtype=float).mean(axis=0)
    names = ("right", "agrees", "tokens", "sequential", "samples")
    return dict(zip(names, means.T, strict=True))


def boot(values: np.ndarray) -> tuple[float, float]:
    """95% bootstrap interval of a mean over questions."""
    picks = np.random.default_rng(0).integers(0, len(values), (BOOT, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def saving(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """1 - ours/theirs of means over the same questions, and its 95% bootstrap interval."""
    picks = np.random.default_rng(0).integers(0, len(ours), (BOOT, len(ours)))
    ratios = 1 - ours[picks].mean(axis=1) / theirs[picks].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(1 - ours.mean() / theirs.mean()), float(low), float(high)


def line(
    name: str,
    values: Values,
    against: Values | None = None,
    unit: str = "samples",
    merit: str = "right",
) -> dict[str, Any]:
    """Print one row and return it."""
    low, high = boot(values[merit])
    told: dict[str, Any] = {
        "method": name, merit: float(values[merit].mean()), "ci": [low, high],
        **{n: float(values[n].mean()) for n in ("tokens", "sequential", "samples")},
    }  # fmt: skip
    text = f"  {name:48} {told[merit]:.3f} [{low:.3f}, {high:.3f}] {told['samples']:6.2f} samples"
    text += f" {told['tokens']:10,.0f} tokens"
    if against is not None:
        told["saved"], *told["saved_ci"] = saving(values[unit], against[unit])
        told["difference"] = float((values[merit] - against[merit]).mean())
        told["difference_ci"] = list(boot(values[merit] - against[merit]))
        text += (f"  saves {told['saved']:+.0%} {unit} [{told['saved_ci'][0]:+.0%}, "
                 f"{told['saved_ci'][1]:+.0%}], {told['difference']:+.3f} "
                 f"[{told['difference_ci'][0]:+.3f}, {told['difference_ci'][1]:+.3f}]")  # fmt: skip
    print(text, flush=True)
    return told


def attempt(name: str, work: Any) -> Any:
    """What `work` gives; where the pool cannot serve it, the reason, shown."""
    try:
        return work()
    except TTScaleError as error:
        print(f"  {name:48} not possible here: {error}", flush=True)
        return {"method": name, "skipped": str(error)}


def deepconf(source: ModelSource, n: int, window: int, repeats: int) -> list[Any]:
    print(f"DeepConf against majority@{n}, tokens")
    vote = run(source, f"sc(n={n})", repeats)
    rows = [line(f"majority@{n}", vote)]
    specs = [
        f"deepconf-online(variant={variant}, warm_up={w}, max_samples={n}, window={window})"
        for variant in ("low", "high")
        for w in (4, 8)
        if w < n
    ]
    offline = [f"deepconf(n={n}, window={window}, keep={keep})" for keep in (10, 50, 90)]
    for spec in [*specs, *offline]:
        rows.append(attempt(spec, lambda s=spec: line(s, run(source, s, repeats), vote, "tokens")))
    return rows


def consistency(source: ModelSource, n: int, repeats: int, folder: Path) -> dict[str, Any]:
    """Curves of agreement with the pool's majority over mean samples, and where PETS meets uniform
    allocation. Online tables are fitted on the first half of the questions, judged on the rest."""
    pool = source.pools[0]
    goal = max(4, n // 2)
    print(f"PETS against uniform allocation, samples at the consistency of uniform@{goal}")
    half = len(pool.problems) // 2
    found: dict[str, Any] = {"goal": goal}
    for name, first in (("offline", 0), ("online", half)):
        uniform = run(source, f"sc(n={goal})", repeats, first)
        rows = [line(f"uniform@{goal}, {name} questions", uniform, merit="agrees")]
        for average in dict.fromkeys(round(goal * f * 2) / 2 for f in (0.4, 0.5, 0.6, 0.75, 1)):
            if name == "online" and average < 4:
                continue
            spec = f"pets(average={average:g}, max_samples={n})"
            if name == "online":
                path = folder / f"pets-{average:g}.json"
                labels = pool_labels(
                    Pool(pool.model, pool.task, pool.problems[:half], pool.records)
                )
                kind: Any = "choice" if all(p.choices for p in pool.problems) else "open"
                try:
                    fit_table(labels, average, kind=kind, max_samples=n).save(path)
                except TTScaleError as error:
                    print(f"  {name} {average:g}: {error}")
                    continue
                spec = f"pets-online(table='{path}', max_samples={n})"
            rows.append(attempt(
                spec,
                lambda s=spec, a=average, f=first, u=uniform, nm=name: line(
                    f"PETS {nm}, {a:g} on average", run(source, s, repeats, f), u, merit="agrees"
                ),
            ))  # fmt: skip
        reached = [r for r in rows[1:] if "agrees" in r and r["agrees"] >= rows[0]["agrees"] - 5e-4]
        found[name] = {
            "curve": rows,
            "reaches_with": min((r["samples"] for r in reached), default=None),
        }
    return found


LIMITS = (4, 4.5, 5, 5.5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32)


def candidates(pool: Pool, most: int) -> list[str]:
    """What a policy may choose: votes, early stops, and where rewards are recorded best-of-N."""
    sizes = dict.fromkeys([s for s in (4, 6, 8, 12, 16, 24, 32) if s < most] + [most])
    found = []
    for select in ("vote", "weighted", "best") if "reward" in pool.capabilities else ("vote",):
        found += [f"pilot(n={s}, select={select})" for s in sizes]
        if select != "best":
            found += [f"pilot(n={s}, select={select}, sure=0.95)" for s in sizes if s >= 8]
    return found


def optimal(source: ModelSource, most: int, repeats: int) -> dict[str, Any]:
    """The compute-optimal policy against one strategy for all: its curve, and how many generations
    it needs to be as accurate as best-of-N and as the vote."""
    pool = source.pools[0]
    given, told = candidates(pool, most), dict[str, Any]()
    evidence = {"agreement": replayed(source, given, repeats=repeats)}
    if "reward" in pool.capabilities:
        evidence["reward"] = replayed(source, given, repeats=repeats, kind="reward")
    limits = [limit for limit in LIMITS if limit <= most]
    policy = fit_policy(evidence["agreement"], [4, 6, 8, 12, 16], bins=5)
    print("compute-optimal policy against one strategy for all, two-fold, pilot included")
    for level in policy.levels:
        ours, single, gap = (level.figures[k] for k in ("two_fold", "best_single", "difference"))
        print(
            f"  within {level.limit:4g}: {ours['accuracy']:.3f} "
            f"[{ours['accuracy_ci'][0]:.3f}, {ours['accuracy_ci'][1]:.3f}] at {ours['cost']:5.2f}; "
            f"{single['strategy']} {single['accuracy']:.3f} at {single['cost']:5.2f}; difference "
            f"{gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]",
            flush=True,
        )
    told["curve"] = policy.as_dict()
    print(
        "generations to match best-of-N. Strategies and limit are chosen on one half of the questions,"
        " scored on the other;\n  difficulty in 5 bins: predicted (agreement or reward of 4 samples,"
        " counted), or oracle (free: a bound)"
    )
    named = {"best": "best-of-N, PRM", "weighted": "best-of-N weighted, PRM", "vote": "vote"}
    told["match"] = [
        matched(evidence["reward" if kind == "reward" else "agreement"], goal, kind, spend, limits,
                f"{named[select]}, N={n}")
        for select in ("weighted", "best", "vote")
        for n in (8, 16, 32)
        if (goal := f"pilot(n={n}, select={select})") in given
        for kind in ("agreement", "reward", "oracle")
        if kind != "reward" or "reward" in evidence
        for spend in ("bin", "mean")
    ]  # fmt: skip
    return told


def matched(
    evidence: Evidence, goal: str, kind: Any, spend: Any, limits: Sequence[float], name: str
) -> dict[str, Any]:
    """One row: the policy against a fixed strategy, paired over questions."""
    place, cuts = placed(evidence, kind, 5)
    found = match(
        evidence.right, evidence.samples, place, evidence.questions, limits, len(cuts) + 1,
        evidence.strategies.index(goal), spend=spend,
    )  # fmt: skip

    def by_question(values: np.ndarray) -> np.ndarray:
        return values.reshape(len(evidence.names), -1).mean(axis=1)  # trials stand by question

    right = by_question(found.policy.right - found.baseline.right)
    cost, base = by_question(found.policy_cost), by_question(found.baseline_cost)
    picks = np.random.default_rng(0).integers(0, len(cost), (BOOT, len(cost)))
    times = np.quantile(base[picks].mean(axis=1) / cost[picks].mean(axis=1), [0.025, 0.975])
    told = {
        "baseline": name, "difficulty": kind, "spend": spend,
        "baseline_accuracy": found.baseline.accuracy, "baseline_cost": found.baseline.cost,
        "accuracy": found.policy.accuracy, "cost": found.policy.cost,
        "difference": float(right.mean()), "difference_ci": list(boot(right)),
        "times_fewer": found.baseline.cost / found.policy.cost, "times_ci": times.tolist(),
        "limit": found.limit, "reached": found.reached,
    }  # fmt: skip
    low, high = told["difference_ci"]
    print(
        f"  {name + ':':32} {found.baseline.accuracy:.3f}; {kind:9} per {spend:4} "
        f"{found.policy.accuracy:.3f}, {told['difference']:+.3f} [{low:+.3f}, {high:+.3f}], at "
        f"{found.policy.cost:5.2f}: {told['times_fewer']:.2f} times fewer "
        f"[{times[0]:.2f}, {times[1]:.2f}]"
        + ("" if found.reached > 0.99 else f"  (matched in {found.reached:.0%} of the halves)"),
        flush=True,
    )
    return told


def ttspm(pool: Pool) -> dict[str, Any]:
    """Fit Hit@n on the first four points, predict the last."""
    curve = hit_curve(list(graded(pool).values()))
    told: dict[str, Any] = {"measured": curve.tolist()}
    for name, spread in (("one p", False), ("spread p", True)):
        fitted = fit(curve[:4], spread=spread)
        at = float(fitted.at(len(curve)))
        told[name] = {"predicted": at, "error": at - float(curve[-1])}
        print(f"  TTSPM, {name}: Hit@{len(curve)} predicted {at:.3f}, measured {curve[-1]:.3f}")
    return told


def recorded(folder: Path, limit: int | None, repeats: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source in open_model(f"replay:{folder / 'recorded_reasoning.csv'}"):
        (pool,) = source.pools
        pool.problems[:] = pool.problems[:limit]
        print(f"{pool.model} on {pool.task}, {len(pool.problems)} questions")
        vote = run(source, "sc(n=8)", 1)
        rows = [line("majority@8", vote)]
        for spec in (
            "simple", "sc(n=4)", "adaptive-consistency(max_samples=8)", "esc(window=4, max_samples=8)",
            "ffs(n=8)", "ffs(n=8, k=4)", "pets(average=4, max_samples=8)",
        ):  # fmt: skip
            unit = "tokens" if spec.startswith("ffs") else "samples"
            rows.append(line(spec, run(source, spec, repeats), vote, unit))
        found[f"{pool.model}/{pool.task}"] = {"methods": rows, "ttspm": ttspm(pool)}
    return found


def pooled(spec: str, limit: int | None, repeats: int, window: int) -> dict[str, Any]:
    import tempfile

    (source,) = open_model(spec if spec.startswith("replay:") else f"replay:{spec}", Config())
    (pool,) = source.pools
    pool.problems[:] = pool.problems[:limit]
    votes, n = min(16, pool.size()), min(32, pool.size())
    print(
        f"{source.name} on {pool.task}, {len(pool.problems)} questions, {pool.size()} samples each"
    )
    with tempfile.TemporaryDirectory() as folder:
        return {
            "questions": len(pool.problems), "samples": pool.size(),
            "deepconf": deepconf(source, votes, window, repeats),
            "pets": consistency(source, n, repeats, Path(folder)),
            "compute_optimal": optimal(source, n, repeats),
        }  # fmt: skip


def data_folder(given: Path | None) -> Path:
    return given or Path(os.environ.get("TTSCALE_DATA") or ROOT.parent / "shared" / "data")


def main(argv: Sequence[str] | None = None) -> Mapping[str, Any]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pool", help="bench store or file of one model's samples")
    parser.add_argument("--data", type=Path, help="folder of recorded_reasoning.csv")
    parser.add_argument("--limit", type=int, help="questions at most")
    parser.add_argument("--repeats", type=int, default=8, help="orders of the samples")
    parser.add_argument("--window", type=int, default=16, help="DeepConf's group, in tokens")
    args = parser.parse_args(argv)
    found: dict[str, Any] = {"repeats": args.repeats}
    if args.pool:
        found["pool"] = pooled(args.pool, args.limit, args.repeats, args.window)
    folder = data_folder(args.data)
    if (folder / "recorded_reasoning.csv").is_file():
        found["recorded"] = recorded(folder, args.limit, args.repeats)
    else:
        print(f"no recorded_reasoning.csv in {folder}: skipped")
    print(json.dumps(found))
    return found


if __name__ == "__main__":
    main()
