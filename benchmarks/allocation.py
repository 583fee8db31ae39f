"""What spending samples well saves, in one table: on any pool and on real large-model samples.

    python benchmarks/allocation.py [--pool STORE] [--choose STORE] [--data FOLDER] [--limit N]
                                    [--repeats R]

On `--pool`, a bench store (or file) of one model with 16 or more samples a question:
  DeepConf, low and high, against majority@16, in tokens at accuracy (needs log-probabilities);
  PETS offline and online against uniform allocation, in samples at equal consistency, i.e. agreement
  with the pool's own majority;
  the compute-optimal policy against best-of-N (needs rewards) and the vote, in generations at equal
  accuracy, two-fold, by predicted difficulty, whose samples are counted, and by an oracle's.
Settings are chosen on `--choose`, a pool of other questions. Both pools, with
log-probabilities and rewards (extra torch), on the bundled reasoner:

    for seed in 0 1; do
        ttscale bench run --model tiny --role prm=tiny-prm --task "lab:word?level=3" -n 200 \\
            -m "best-of-n(n=32)" --logprobs 20 --keep-traces all --seed $seed --out pool$seed.db
    done
    ttscale plan fit pool1.db --spend mean --budget 8 --out policy.json
    python benchmarks/allocation.py --pool pool0.db --choose pool1.db

On recorded_reasoning.csv in `--data` (default $TTSCALE_DATA, then ../shared/data beside the
repository; skipped when absent): Adaptive-Consistency, ESC, FFS-k and PETS, and how well TTSPM
predicts Hit@8 from the first four points, and the point of saturation.

Savings are given at the accuracy or consistency reached; the curves are in the JSON. Intervals are
95%, by bootstrap over questions. The last line is JSON.
"""

import argparse
import itertools
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ttscale.cli.config import Config
from ttscale.core import Outcome, Run, TTScaleError, UsageError, Votes, execute
from ttscale.engines.catalogue.source import ModelSource
from ttscale.engines.catalogue.specification import open_model
from ttscale.engines.recordings.pool import Pool
from ttscale.methods.allocation.pets_table import fit_table
from ttscale.methods.registry import parse
from ttscale.planner import Evidence, match, replayed
from ttscale.planner.evidence import graded
from ttscale.planner.fitting import placed, pool_labels
from ttscale.planner.saturation import fit, hit_curve, observed_saturation
from ttscale.signals import confidence as signals

ROOT = Path(__file__).resolve().parents[1]
BOOT = 2000
EPSILON = 0.01  # accuracy a further sample has to add
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


def run(source: ModelSource, spec: str, repeats: int, part: slice = slice(None)) -> Values:
    """A method on (part of) the questions, each repeat on the samples in another order."""
    (pool,) = source.pools
    asked, agreed = pool.problems[part], majority(pool)
    chosen = parse(spec)
    rows = []
    for seed in range(repeats):
        run = Run({"main": source.make(order="shuffled")}, seed=seed)

        async def main(run: Run = run) -> list[Outcome]:
            if chosen.method.card.scope == "set":
                return await run.answer_set(chosen, asked)
            return [await run.answer(chosen, p) for p in asked]

        rows.append(
            [
                (
                    bool(p.correct(o.answer)),
                    o.answer is not None
                    and agreed[p.id] is not None
                    and p.rule.same(o.answer, agreed[p.id] or ""),
                    o.usage.completion_tokens,
                    o.usage.sequential_tokens,
                    o.usage.samples,
                )
                for p, o in zip(asked, execute(run, main), strict=True)
            ]
        )
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
    name: str, values: Values, against: Values | None = None, unit: str = "samples", merit: str = "right"
) -> dict[str, Any]:
    """Print one row and return it."""
    low, high = boot(values[merit])
    told: dict[str, Any] = {
        "method": name,
        merit: float(values[merit].mean()),
        "ci": [low, high],
        **{n: float(values[n].mean()) for n in ("tokens", "sequential", "samples")},
    }
    text = f"  {name:48} {told[merit]:.3f} [{low:.3f}, {high:.3f}] {told['samples']:6.2f} samples"
    text += f" {told['tokens']:10,.0f} tokens"
    if against is not None:
        told["saved"], *told["saved_ci"] = saving(values[unit], against[unit])
        told["difference"] = float((values[merit] - against[merit]).mean())
        told["difference_ci"] = list(boot(values[merit] - against[merit]))
        text += (
            f"  saves {told['saved']:+.0%} {unit} [{told['saved_ci'][0]:+.0%}, "
            f"{told['saved_ci'][1]:+.0%}], {told['difference']:+.3f} "
            f"[{told['difference_ci'][0]:+.3f}, {told['difference_ci'][1]:+.3f}]"
        )
    print(text, flush=True)
    return told


def attempt(name: str, work: Any) -> Any:
    """What `work` gives; where the pool cannot serve it, the reason, shown."""
    try:
        return work()
    except TTScaleError as error:
        print(f"  {name:48} not possible here: {error}", flush=True)
        return {"method": name, "skipped": str(error)}


def deepconf(
    source: ModelSource, chooser: ModelSource | None, n: int, most: int, repeats: int
) -> dict[str, Any]:
    """DeepConf online against majority@n. Window, warm-up, samples and consensus of either variant
    are those that did best on the other pool (`--choose`) within 60% of its majority's tokens;
    without one, the paper's words: a tenth of a trace, the consensus at 0.95."""
    pool = source.pools[0]
    conf = {p.id: [t.conf for t in pool.find(p, "main", p.prompt)] for p in pool.problems}
    length = float(np.mean([len(c) for cs in conf.values() for c in cs if c is not None]))
    tenth = max(1, round(length / 10))
    print(f"DeepConf against majority@{n}, tokens; traces of {length:.0f} tokens on average")
    vote = run(source, f"sc(n={n})", repeats)
    told: dict[str, Any] = {"majority": line(f"majority@{n}", vote), "online": []}
    for variant in ("low", "high"):
        if chooser is None:
            spec = f"deepconf-online(variant={variant}, warm_up=8, max_samples={n}, window={tenth})"
        else:
            spec = chosen_deepconf(chooser, variant, tenth, n, most, max(1, repeats // 2))
        told["online"].append(line(spec, run(source, spec, repeats), vote, "tokens"))
    told["offline"] = [
        line(spec, run(source, spec, repeats), vote, "tokens")
        for keep in (5, 10, 30, 50, 70, 90, 100)
        for spec in (f"deepconf(n={n}, measure=lowest, window={tenth}, keep={keep})",)
    ]
    told["separation"] = separation(pool, tenth)
    return told


def chosen_deepconf(source: ModelSource, variant: str, tenth: int, n: int, most: int, repeats: int) -> str:
    """The settings that were most accurate on another pool within 60% of majority@n's tokens; the
    cheapest of equals."""
    limit = 0.6 * run(source, f"sc(n={n})", repeats)["tokens"].mean()
    best: tuple[float, float, str] | None = None
    for window, warm_up, samples, consensus in itertools.product(
        dict.fromkeys((tenth, 2 * tenth, 4 * tenth)), (4, 8), dict.fromkeys((n, most)), (0.95, 2.0)
    ):
        spec = (
            f"deepconf-online(variant={variant}, warm_up={warm_up}, max_samples={samples}, "
            f"window={window}, consensus={consensus:g})"
        )
        found = run(source, spec, repeats)
        entry = (-float(found["right"].mean()), float(found["tokens"].mean()), spec)
        if entry[1] <= limit and (best is None or entry < best):
            best = entry
    if best is None:
        raise UsageError(f"no DeepConf-{variant} keeps to 60% of the tokens")
    return best[2]


def separation(pool: Pool, window: int) -> dict[str, Any]:
    """How well the lowest group tells right from wrong among the samples of a question: the area
    under the curve, and the share that is right by rank of confidence, least sure first."""
    areas, ranked = list[float](), list[list[bool]]()
    for problem in pool.problems:
        traces = pool.find(problem, "main", problem.prompt)[: pool.size()]
        values = np.array([signals.lowest_group(t.conf, window) for t in traces])
        right = np.array([bool(problem.correct(problem.answer(t))) for t in traces])
        if right.any() and not right.all():
            above = values[right][:, None] - values[~right][None]
            areas.append(float((above > 0).mean() + (above == 0).mean() / 2))
            ranked.append(right[np.argsort(values, kind="stable")].tolist())
    tenths = [float(part.mean()) for part in np.array_split(np.array(ranked).mean(axis=0), 10)]
    print(f"  confidence tells right from wrong with an area of {np.mean(areas):.2f} within a question")
    print(
        "  right by tenth of confidence, least sure first, where samples disagree: "
        + " ".join(f"{share:.2f}" for share in tenths)
    )
    return {"area": float(np.mean(areas)), "right_by_tenth": tenths}


SHARES = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.85, 1.0)


PETS = ("offline", "online", "online, five buckets")


def pets(source: ModelSource, name: str, average: float, most: int, repeats: int, folder: Path) -> Values:
    """PETS at an average. Online, a table is fitted on each half of the questions and judged on the
    other."""
    if name == "offline":
        return run(source, f"pets(average={average:g}, max_samples={most})", repeats)
    pool = source.pools[0]
    half, sides = len(pool.problems) // 2, list[Values]()
    kind: Any = "choice" if all(p.choices for p in pool.problems) else "open"
    if name != "online":
        kind = "patterns"
    for learn, part in ((slice(half, None), slice(half)), (slice(half), slice(half, None))):
        path = folder / f"pets-{id(source)}-{kind}-{average:g}-{learn.start}.json"
        labels = pool_labels(Pool(pool.model, pool.task, pool.problems[learn], pool.records))
        fit_table(labels, average, kind=kind, max_samples=most).save(path)
        sides.append(run(source, f"pets-online(table='{path}', max_samples={most})", repeats, part))
    return {key: np.concatenate([side[key] for side in sides]) for key in sides[0]}


def consistency(
    source: ModelSource, chooser: ModelSource | None, n: int, most: int, repeats: int, folder: Path
) -> dict[str, Any]:
    """PETS at the smallest average that reaches uniform@n's agreement with the pool's majority on
    the other pool (`--choose`), and the curve of averages."""
    print(f"PETS against uniform allocation, samples at the consistency of uniform@{n}")
    uniform = run(source, f"sc(n={n})", repeats)
    found: dict[str, Any] = {"uniform": line(f"uniform@{n}", uniform, merit="agrees")}
    goal = run(chooser, f"sc(n={n})", repeats)["agrees"].mean() if chooser else 0.0
    for name in PETS:
        averages = [round(2 * n * f) / 2 for f in SHARES]
        averages = [a for a in dict.fromkeys(averages) if name == "offline" or a > 4]
        curve = {a: pets(source, name, a, most, repeats, folder) for a in averages}
        told: dict[str, Any] = {}
        if chooser is not None:
            enough = (
                a
                for a in averages
                if pets(chooser, name, a, most, repeats, folder)["agrees"].mean() >= goal - 5e-4
            )
            average = next(enough, averages[-1])
            told["chosen"] = line(
                f"PETS {name}, {average:g} on average (chosen)", curve[average], uniform, merit="agrees"
            )
        told["curve"] = [
            line(f"PETS {name}, {a:g} on average", values, uniform, merit="agrees")
            for a, values in curve.items()
        ]
        found[name] = told
    return found


LIMITS = (4, 4.5, 5, 5.5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32)


NAMED = {"weighted": "best-of-N weighted, PRM", "best": "best-of-N, PRM", "vote": "vote"}


def candidates(most: int, select: str) -> list[str]:
    """What a policy may choose: few, since of many the luckiest would be chosen."""
    sizes = list(dict.fromkeys([s for s in (4, 8, 16) if s < most] + [most]))
    if select == "best":  # votes say nothing about when to stop
        return [f"pilot(n={n}, select=best)" for n in sizes]
    found = [f"pilot(n={n}, select={select})" for n in sizes]
    found += [f"pilot(n={n}, select={select}, sure={u})" for u in (0.9, 0.95) for n in sizes[1:]]
    return found


def best_selection(source: ModelSource, n: int, repeats: int) -> str:
    """Vote, weighted or best: the most accurate at n samples; the simpler of equals."""
    given = [f"pilot(n={n}, select={how})" for how in ("vote", "weighted", "best")]
    right = replayed(source, given, repeats=repeats).right.mean(axis=1)
    return ("vote", "weighted", "best")[int(np.argmax(np.round(right, 9)))]


def optimal(
    source: ModelSource, chooser: ModelSource | None, n: int, most: int, repeats: int
) -> dict[str, Any]:
    """The compute-optimal policy against one strategy for all: its curve, and how many generations
    it needs to be as accurate as best-of-N and as the vote."""
    judged, select, told = "reward" in source.pools[0].capabilities, "vote", dict[str, Any]()
    if judged and chooser is not None:
        select = best_selection(chooser, n, repeats)
    given = candidates(most, select)
    goals = {
        f"{NAMED[how]}, N={size}": f"pilot(n={size}, select={how})"
        for how in (NAMED if judged else ("vote",))
        for size in dict.fromkeys((n, most))
    }
    every = list(dict.fromkeys([*given, *goals.values()]))
    evidence = {"agreement": replayed(source, every, repeats=repeats)}
    if judged:
        evidence["reward"] = replayed(source, every, repeats=repeats, kind="reward")
    limits = [limit for limit in LIMITS if limit <= most]
    print(
        f"compute-optimal policy over select={select}: generations to match one strategy for all. "
        "Strategies and limit are\n  chosen on one half of the questions, scored on the other; "
        "difficulty: predicted (agreement or reward of 4 samples,\n  counted) or an oracle's (free: "
        "a bound); the budget holds per bin (as published) or for their mean (ours)"
    )
    told["match"] = [
        row
        for kind in ("agreement", "reward", "oracle")
        if kind != "reward" or judged
        for spend in ("bin", "mean")
        for row in matched(
            evidence["reward" if kind == "reward" else "agreement"], given, goals, kind, spend, limits
        )
    ]
    return {"select": select, **told}


def matched(
    evidence: Evidence,
    given: Sequence[str],
    goals: Mapping[str, str],
    kind: Any,
    spend: Any,
    limits: Sequence[float],
) -> list[dict[str, Any]]:
    """The policy against fixed strategies, a row each, paired over questions."""
    place, cuts = placed(evidence, kind, 5)
    own = [evidence.strategies.index(s) for s in given]
    fixed = [evidence.strategies.index(s) for s in goals.values()]
    rows = match(
        evidence.right[own],
        evidence.samples[own],
        place,
        evidence.questions,
        limits,
        len(cuts) + 1,
        evidence.right[fixed],
        evidence.samples[fixed],
        spend=spend,
    )

    def by_question(values: np.ndarray) -> np.ndarray:
        return values.reshape(len(evidence.names), -1).mean(axis=1)  # trials stand by question

    told = []
    for name, found in zip(goals, rows, strict=True):
        right = by_question(found.policy.right - found.baseline.right)
        cost, base = by_question(found.policy_cost), by_question(found.baseline_cost)
        picks = np.random.default_rng(0).integers(0, len(cost), (BOOT, len(cost)))
        times = np.quantile(base[picks].mean(axis=1) / cost[picks].mean(axis=1), [0.025, 0.975])
        low, high = boot(right)
        told.append(
            {
                "baseline": name,
                "difficulty": kind,
                "spend": spend,
                "baseline_accuracy": found.baseline.accuracy,
                "baseline_cost": found.baseline.cost,
                "accuracy": found.policy.accuracy,
                "cost": found.policy.cost,
                "difference": float(right.mean()),
                "difference_ci": [low, high],
                "times_fewer": found.baseline.cost / found.policy.cost,
                "times_ci": times.tolist(),
                "limit": found.limit,
                "reached": found.reached,
            }
        )
        print(
            f"  {name + ':':31} {found.baseline.accuracy:.3f}; {kind:9} per {spend:4} "
            f"{found.policy.accuracy:.3f} at {found.policy.cost:5.2f}, {right.mean():+.3f} "
            f"[{low:+.3f}, {high:+.3f}], {found.baseline.cost / found.policy.cost:.2f} times fewer "
            f"[{times[0]:.2f}, {times[1]:.2f}]"
            + ("" if found.reached > 0.99 else f", matched in {found.reached:.0%} of the halves"),
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
        told[name]["saturates_at"] = fitted.saturation(EPSILON)
        print(f"  TTSPM, {name}: Hit@{len(curve)} predicted {at:.3f}, measured {curve[-1]:.3f}")
    told["saturates_at"] = observed_saturation(curve, EPSILON)
    return told


def saturation_agreement(recordings: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Pearson's r of where curves saturate as predicted from four points, and as measured; one that
    does not within its samples counts as its number of samples."""
    found = {}
    for name in ("one p", "spread p"):
        pairs = [
            (min(r[name]["saturates_at"], last), r["saturates_at"] or last)
            for r in recordings
            if (last := len(r["measured"]))
        ]
        predicted, measured = np.array(pairs, dtype=float).T
        same = not predicted.std() or not measured.std()
        found[name] = float("nan") if same else float(np.corrcoef(predicted, measured)[0, 1])
        print(
            f"TTSPM, {name}: samples after which one adds less than {EPSILON:g}, predicted and "
            f"measured: {pairs}, r = {found[name]:.2f}"
        )
    return found


def recorded(folder: Path, limit: int | None, repeats: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source in open_model(f"replay:{folder / 'recorded_reasoning.csv'}"):
        (pool,) = source.pools
        pool.problems[:] = pool.problems[:limit]
        print(f"{pool.model} on {pool.task}, {len(pool.problems)} questions")
        vote = run(source, "sc(n=8)", 1)
        rows = [line("majority@8", vote)]
        for spec in (
            "simple",
            "sc(n=4)",
            "adaptive-consistency(max_samples=8)",
            "esc(window=4, max_samples=8)",
            "ffs(n=8)",
            "ffs(n=8, k=4)",
            "pets(average=4, max_samples=8)",
        ):
            unit = "tokens" if spec.startswith("ffs") else "samples"
            rows.append(line(spec, run(source, spec, repeats), vote, unit))
        found[f"{pool.model}/{pool.task}"] = {"methods": rows, "ttspm": ttspm(pool)}
    found["saturation"] = saturation_agreement([r["ttspm"] for r in found.values()])
    return found


def opened(spec: str, limit: int | None) -> ModelSource:
    (source,) = open_model(spec if spec.startswith("replay:") else f"replay:{spec}", Config())
    (pool,) = source.pools
    pool.problems[:] = pool.problems[:limit]
    return source


def pooled(spec: str, other: str | None, limit: int | None, repeats: int) -> dict[str, Any]:
    source, chooser = opened(spec, limit), opened(other, limit) if other else None
    pool = source.pools[0]
    pools = [pool, chooser.pools[0]] if chooser else [pool]
    if chooser and {p.prompt for p in pool.problems} & {p.prompt for p in pools[1].problems}:
        raise UsageError("--choose holds questions of --pool", fix="make it with another seed")
    most = min(32, *(p.size() for p in pools))
    n = min(16, most)
    print(f"{source.name} on {pool.task}, {len(pool.problems)} questions, {pool.size()} samples each")
    with tempfile.TemporaryDirectory() as folder:
        return {
            "questions": len(pool.problems),
            "samples": pool.size(),
            "deepconf": attempt("DeepConf", lambda: deepconf(source, chooser, n, most, repeats)),
            "pets": consistency(source, chooser, n, most, repeats, Path(folder)),
            "compute_optimal": optimal(source, chooser, n, most, repeats),
        }


def data_folder(given: Path | None) -> Path:
    return given or Path(os.environ.get("TTSCALE_DATA") or ROOT.parent / "shared" / "data")


def main(argv: Sequence[str] | None = None) -> Mapping[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pool", help="bench store or file of one model's samples")
    parser.add_argument("--data", type=Path, help="folder of recorded_reasoning.csv")
    parser.add_argument("--limit", type=int, help="questions at most")
    parser.add_argument("--repeats", type=int, default=8, help="orders of the samples")
    parser.add_argument("--choose", help="pool of other questions, to choose settings on")
    args = parser.parse_args(argv)
    found: dict[str, Any] = {"repeats": args.repeats}
    if args.pool:
        found["pool"] = pooled(args.pool, args.choose, args.limit, args.repeats)
    folder = data_folder(args.data)
    if (folder / "recorded_reasoning.csv").is_file():
        found["recorded"] = recorded(folder, args.limit, args.repeats)
    else:
        print(f"no recorded_reasoning.csv in {folder}: skipped")
    print(json.dumps(found))
    return found


if __name__ == "__main__":
    main()
