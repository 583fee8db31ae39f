"""Structured reasoning in one table: every method, on both reasoners, by what it generates and what it reads.

    python benchmarks/structured.py [--methods SPEC ...] [--task lab:word?level=3] [--questions 200]
                                    [--seed 0] [--concise tiny] [--verbose MODEL] [--out structured]
                                    [--real MODEL.gguf --gsm8k FILE [--real-questions 30]]

Accuracy has two axes: generated tokens, and generated ones with those that verifiers read (texts that a
verifier scores, and the prompts of every role that judges). Differences are paired by question, with
majority voting and with budget forcing; "not worse" means that the lower end of the 95% interval is above
-.03. A method is any that is registered, as it is written on the command line; one that is not there, or
that the model cannot run, has a row that says so.

With `--real`, the same methods answer GSM8K questions on a model of one's own: for whether they run and
how often its replies can be read, not for a claim.

A run that is stopped goes on where it was, also with further methods: answers are kept in OUT, one store
per model. OUT.md has the tables and OUT.json everything; the last line printed is JSON.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ttscale.bench import Result, Settings, Store, Task, arrange, load_task, run_bench
from ttscale.core import Configured, Sampling, TTScaleError, Usage
from ttscale.engines import ModelSource, open_model
from ttscale.methods import parse
from ttscale.metrics import Difference, paired_difference

VOTE, FORCED = "sc(n=8)", "budget-forcing(n_ignore=1, max_thinking={thinking})"
METHODS = (
    "simple",
    VOTE,
    FORCED,
    "best-of-n(n=8, verifier=judge)",
    "v1(n=8, budget=2)",
    "v1(n=8, budget=2, schedule=pointwise)",
    "parathinker(paths=3)",
    "parathinker(paths=3, finish=last)",
    "plan-and-budget",
    "plan-and-budget(form=vanilla)",
    "explore-execute",
    "scale-selective",
    "sticker",
    "trimr",
    "thoughtmani",
    "stop-scaling",
    "dynasor",
    "deer",
    "chain-of-draft",
    "re2",
    "self-refine",
)
"""{thinking} is filled with tokens of thinking that the model may take."""
THINKING = {"concise": 120, "verbose": 400, "real": 512}
NOT_WORSE = -0.03
LIMIT = 1024  # tokens of every sample of the real model


@dataclass(frozen=True, slots=True)
class Entry:
    """A method's row.

    Attributes:
        generated, read: tokens, means per question; sequential: of the longest dependent chain.
        vote, forced: accuracy minus that of majority voting, of budget forcing.
        missing: answers there were none of; fallbacks: what its outcomes counted, summed.
        problem: why there are no figures.
    """

    method: str
    questions: int = 0
    accuracy: float | None = None
    generated: float | None = None
    read: float | None = None
    sequential: float | None = None
    vote: Difference | None = None
    forced: Difference | None = None
    missing: int = 0
    fallbacks: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""


def read_by_verifiers(usage: Usage, judging: set[str]) -> int:
    """Tokens of texts that were scored, and of the prompts of roles that judge."""
    scored = sum(tally.scored_tokens for tally in usage.by.values())
    return scored + sum(tally.prompt_tokens for role, tally in usage.by.items() if role in judging)


def answered(
    store: Store,
    source: ModelSource,
    task: Task,
    written: str,
    method: Configured,
    settings: Settings,
    seed: int,
) -> list[Result]:
    """The results of one method, from the store as far as they are there."""
    planned = arrange([method], [(source, [task])], repeats=1, seed=seed)
    run_bench(store, planned, settings)
    (cell,) = [c for c in store.cells() if (c.method, c.task) == (method.label, task.name)]
    found = list(store.items(cell))
    if failed := [r.error for r in found if r.error is not None]:
        print(f"{written}: {len(failed)} of {len(found)} failed: {failed[0]}", file=sys.stderr)
    return [r for r in found if r.error is None]


def results_of(
    kind: str, spec: str, task: Task, methods: Sequence[str], settings: Settings, out: Path, seed: int
) -> Iterator[tuple[str, Configured | None, list[Result], str]]:
    """Method as written, configured, its results, and why there are none."""
    (source,) = open_model(spec)
    path = out / f"{kind}.db"
    with Store.open(path, write=True) if path.exists() else Store.create(path, {}) as store:
        for template in methods:
            written = template.replace("{thinking}", str(THINKING[kind]))
            try:
                method = parse(written)
                results = answered(store, source, task, written, method, settings, seed)
            except TTScaleError as error:  # not registered, or nothing for this model
                yield template, None, [], str(error)
            else:
                yield template, method, results, ""
            print(f"{kind}: {written} done", file=sys.stderr)


def entries(found: Sequence[tuple[str, Configured | None, list[Result], str]]) -> list[Entry]:
    """A row for each, compared with the vote and budget forcing where these are among them."""
    grades = {template: _grades(results) for template, _, results, _ in found}

    def against(template: str, baseline: str) -> Difference | None:
        if template == baseline or not grades.get(baseline):
            return None
        return paired_difference(grades[template], grades[baseline])

    rows = []
    for template, method, results, problem in found:
        if method is None or not results:
            rows.append(Entry(template, problem=problem or "no question was answered"))
            continue
        judging = {role for role, need in method.method.needs(method.cfg).items() if need.kind == "judges"}
        graded = [r.correct for r in results if r.correct is not None]
        rows.append(
            Entry(
                template,
                questions=len(results),
                accuracy=float(np.mean(graded)) if graded else None,
                generated=_mean(r.usage.completion_tokens for r in results),
                read=_mean(read_by_verifiers(r.usage, judging) for r in results),
                sequential=_mean(r.usage.sequential_tokens for r in results),
                vote=against(template, VOTE),
                forced=against(template, FORCED),
                missing=sum(r.answer is None for r in results),
                fallbacks=_fallbacks(results),
            )
        )
    return rows


def _grades(results: Sequence[Result]) -> dict[str, tuple[int, int]]:
    return {r.problem: (int(r.correct), 1) for r in results if r.correct is not None}


def _mean(values: Iterator[int]) -> float:
    return float(np.mean(list(values)))


def _fallbacks(results: Sequence[Result]) -> dict[str, float]:
    """What outcomes count as fallen back or unread."""
    found: dict[str, float] = {}
    for result in results:
        for name, value in result.extra.items():
            if ("fallback" in name or "unread" in name) and isinstance(value, (int, float)) and value:
                found[name] = found.get(name, 0) + value
    return found


def markdown(title: str, rows: Sequence[Entry]) -> str:
    """The table, the baselines first, then by tokens of both kinds."""
    lines = [
        f"## {title}\n",
        "| method | right | generated | with read | in a row | vote | forcing | none | notes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    ran = [r for r in rows if not r.problem]
    order = sorted(ran, key=lambda r: (r.method not in (VOTE, FORCED), (r.generated or 0) + (r.read or 0)))
    for r in order:
        notes = ", ".join(f"{name} {value:g}" for name, value in r.fallbacks.items())
        right = "" if r.accuracy is None else f"{r.accuracy:.3f}"
        lines.append(
            f"| `{r.method}` | {right} | {r.generated:.0f} | {(r.generated or 0) + (r.read or 0):.0f} "
            f"| {r.sequential:.0f} | {_shown(r.vote)} | {_shown(r.forced)} | {r.missing} | {notes} |"
        )
    lines += [f"\nNot run: `{r.method}`: {r.problem}" for r in rows if r.problem]
    return "\n".join(lines)


def _shown(difference: Difference | None) -> str:
    if difference is None:
        return ""
    verdict = "not worse" if difference.low > NOT_WORSE else "worse" if difference.high < 0 else "open"
    return f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}] {verdict}"


def gsm8k(path: Path, n: int, out: Path) -> Task:
    """The first questions of a GSM8K file (JSON lines, perhaps gzipped), with their numbers."""
    opened = gzip.open if path.suffix == ".gz" else open
    made = out / "gsm8k.jsonl"
    with opened(path, "rt", encoding="utf-8") as lines, made.open("w", encoding="utf-8") as questions:
        for _, line in zip(range(n), lines, strict=False):
            record = json.loads(line)
            number = record["answer"].rpartition("####")[2].strip().replace(",", "")
            questions.write(json.dumps({"question": record["question"], "answer": number}) + "\n")
    return load_task(f"file:{made}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", default=METHODS, help="as on the command line")
    parser.add_argument("--concise", default="tiny", help="a model that thinks briefly")
    parser.add_argument("--verbose", help="a model that thinks at length; without it its table is left out")
    parser.add_argument("--task", default="lab:word?level=3")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("structured"), help="a folder, for the stores")
    parser.add_argument("--real", help="a GGUF file of a real model")
    parser.add_argument("--gsm8k", type=Path, help="its questions")
    parser.add_argument("--real-questions", type=int, default=30)
    args = parser.parse_args()
    if args.real and not args.gsm8k:
        parser.error("--real needs --gsm8k FILE")

    args.out.mkdir(parents=True, exist_ok=True)
    # the baselines are part of every table
    methods = list(dict.fromkeys([VOTE, FORCED, *args.methods]))
    generated = load_task(args.task, n=args.questions, seed=args.seed)
    runs: list[tuple[str, str, Task, Settings]] = [
        (kind, spec, generated, Settings())
        for kind, spec in (("concise", args.concise), ("verbose", args.verbose))
        if spec
    ]
    if args.real:
        spec = args.real if ":" in args.real else f"llamacpp:{args.real}"
        task = gsm8k(args.gsm8k, args.real_questions, args.out)
        runs.append(("real", spec, task, Settings(defaults=Sampling(max_tokens=LIMIT))))

    tables: dict[str, Any] = {}
    pages = []
    for kind, spec, task, settings in runs:
        rows = entries(list(results_of(kind, spec, task, methods, settings, args.out, args.seed)))
        title = f"{kind}: {Path(spec).name}, {len(task.problems)} questions of {Path(task.name).name}"
        pages.append(markdown(title, rows))
        tables[kind] = {"model": spec, "task": task.name, "rows": [asdict(row) for row in rows]}
        print(pages[-1], "\n")
    args.out.with_suffix(".md").write_text("\n\n".join(pages) + "\n", encoding="utf-8")
    args.out.with_suffix(".json").write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(tables))


if __name__ == "__main__":
    main()
