"""Memory and speed of a bench of replayed items, each voting over 8 samples.

    python benchmarks/bench_memory.py [--items 10000] [--source csv|store]

`csv` replays a file of token counts and answers; `store` replays an earlier bench whose traces have
texts of about 3 kB, which stay on disk. Each runs in a process of its own, so that the peak is its
own. The goal is below 300 MB for 10,000 items. The last line is JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ttscale.answers import rule_for
from ttscale.bench import Cell, Plan, Settings, Store, grid, pools_from_store, rows, run_bench
from ttscale.core import Problem, Prompt, Trace
from ttscale.engines.catalogue.source import Plain

SAMPLES = 8
GOAL_MB = 300


class Stores(Plain):
    """A catalogue that can also read stores."""

    def read_store(self, path: Path) -> list:
        return pools_from_store(path)


def write_csv(path: Path, items: int) -> None:
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        names = "model dataset question sample completion_tokens reference answer"
        out.writerow(names.split())
        for question in range(items):
            for sample in range(SAMPLES):
                answer = 7 if rng.random() < 0.6 else rng.randrange(20)
                out.writerow(["m", "numbers", question, sample, rng.randrange(50, 3000), 7, answer])


def write_store(path: Path, items: int) -> None:
    rng = random.Random(0)
    words = [f"word{i} " for i in range(2000)]
    problems = [
        Problem(f"q{i}", Prompt.user(f"Question {i}?"), rule_for("number"), "7") for i in range(items)
    ]
    with Store.create(path, {}) as store:
        cell = Cell(id=0, method="sc(n=8)", model="m", task="numbers", repeat=0)
        cell = store.add_cell(cell, store.add_task("numbers", problems))
        store.group_seconds = 1.0
        for problem in problems:
            for draw in range(SAMPLES):
                answer = 7 if rng.random() < 0.6 else rng.randrange(20)
                text = "".join(rng.choices(words, k=400)) + f"\\boxed{{{answer}}}"
                trace = Trace(text, 900, index=draw, prompt_key=problem.prompt.key)
                store.add_trace(cell, problem.id, "", trace)


def measure(recording: Path, out: Path) -> dict[str, float]:
    plan = Plan(methods=("sc(n=8)",), models=(f"replay:{recording}",))
    began = time.perf_counter()
    planned = grid(plan, Stores())
    read = time.perf_counter() - began
    with Store.create(out, plan.as_dict()) as store:
        began, busy = time.perf_counter(), time.process_time()
        run_bench(store, planned, Settings())
        ran, busy = time.perf_counter() - began, time.process_time() - busy
        began = time.perf_counter()
        (row,) = rows(store)
        reported = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "items": row.items,
        "accuracy": row.accuracy or 0.0,
        "peak_mb": round(peak, 1),
        "read_s": round(read, 2),
        "run_s": round(ran, 2),
        "report_s": round(reported, 2),
        "items_per_s": round(row.items / ran),
        "items_per_cpu_s": round(row.items / busy),
        "samples_per_cpu_s": round(row.items * SAMPLES / busy),
        "store_mb": round(out.stat().st_size / 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--source", choices=["csv", "store"])
    parser.add_argument("--recording", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.recording:
        out = asked.recording.with_name(f"{asked.recording.name}.out.db")
        print(json.dumps(measure(asked.recording, out)))
        return
    print(f"{asked.items:,} items x {SAMPLES} samples, vote; Python {platform.python_version()}")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for source in [asked.source] if asked.source else ["csv", "store"]:
            recording = Path(folder) / ("samples.csv" if source == "csv" else "samples.db")
            (write_csv if source == "csv" else write_store)(recording, asked.items)
            command = [sys.executable, __file__, "--recording", str(recording)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            figures = results[source] = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{source:>6}: peak {figures['peak_mb']:.0f} MB (goal {GOAL_MB}), "
                f"{figures['items_per_s']:,} items/s ({figures['items_per_cpu_s']:,} by CPU time, "
                f"{figures['samples_per_cpu_s']:,} samples/s), "
                f"read {figures['read_s']} s, report {figures['report_s']} s"
            )
    print(json.dumps({"goal_mb": GOAL_MB, **results}))


if __name__ == "__main__":
    main()
