"""Counters of one worker, and all workers' as Prometheus reads them.

With a state file every worker leaves its numbers beside it once a second, and whichever worker is
asked adds them up.
"""

from __future__ import annotations

import bisect
import os
import time
from collections.abc import Iterable
from pathlib import Path

import orjson

_BOUNDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_HELP = {
    "requests_total": ("counter", "Requests answered, by path, method and status."),
    "request_seconds": ("histogram", "Time from a request's arrival to its end."),
    "tokens_total": ("counter", "Tokens of methods by kind, and of plain requests."),
    "samples_total": ("counter", "Samples drawn by methods."),
    "answers_total": ("counter", "Answers given by a method; unanswered and partial ones too."),
    "votes_total": ("counter", "Votes for the answers given, and votes cast."),
    "cancellations_total": ("counter", "Requests whose client went away."),
    "hedges_total": ("counter", "Plain requests sent to a second replica as well."),
    "refusals_total": ("counter", "Requests refused at the door, by reason."),
    "active_requests": ("gauge", "Requests in service."),
    "waiting_requests": ("gauge", "Requests in the queue."),
    "upstream_up": ("gauge", "Whether a replica answers."),
    "upstream_outstanding": ("gauge", "Requests a replica is working on."),
    "resident_bytes": ("gauge", "Memory of the worker."),
}

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Numbers by name and labels. `add` counts, `set` states, `observe` fills a histogram."""

    def __init__(self) -> None:
        self.began = time.time()
        self._values: dict[tuple[str, Labels], float] = {}
        self._buckets: dict[Labels, list[float]] = {}  # counts by bound, above all, sum
        self._path: Path | None = None

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        key = (name, tuple(labels.items()))
        self._values[key] = self._values.get(key, 0) + amount

    def set(self, name: str, value: float, **labels: str) -> None:
        self._values[name, tuple(labels.items())] = value

    def observe(self, seconds: float, **labels: str) -> None:
        key = tuple(labels.items())
        buckets = self._buckets.get(key)
        if buckets is None:
            buckets = self._buckets[key] = [0.0] * (len(_BOUNDS) + 2)
        buckets[bisect.bisect_left(_BOUNDS, seconds)] += 1
        buckets[-1] += seconds

    def total(self, name: str, **labels: str) -> float:
        """The sum over all series of a name that carry these labels."""
        wanted = set(labels.items())
        return sum(v for (n, have), v in self._values.items() if n == name and wanted <= set(have))

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sums of a name by the values of one label."""
        sums: dict[str, float] = {}
        for (known, labels), value in self._values.items():
            if known == name:
                of = dict(labels).get(label, "")
                sums[of] = sums.get(of, 0) + value
        return sums

    # -- all workers

    def share(self, state: Path) -> None:
        """Leave this worker's numbers beside the state file."""
        self._path = state.with_name(f"{state.name}.metrics-{os.getpid()}")
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(orjson.dumps([list(self._values.items()), list(self._buckets.items())]))
        fresh.replace(self._path)

    def unshare(self) -> None:
        """Take them away again: this worker ends."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def together(self, state: Path | None) -> Metrics:
        """The numbers of all workers."""
        whole = Metrics()
        whole.began = self.began
        whole._add(self)
        for path in _others(state):
            if path == self._path:
                continue
            try:
                values, buckets = orjson.loads(path.read_bytes())
            except (OSError, orjson.JSONDecodeError):
                continue  # it has just ended
            other = Metrics()
            other._values = {(name, _labels(labels)): v for (name, labels), v in values}
            other._buckets = {_labels(labels): counts for labels, counts in buckets}
            whole._add(other)
        return whole

    def _add(self, other: Metrics) -> None:
        for key, value in other._values.items():
            if key[0] == "upstream_up":  # a state, seen by each worker: it is up if one can use it
                self._values[key] = max(value, self._values.get(key, 0))
            else:
                self._values[key] = self._values.get(key, 0) + value
        for labels, counts in other._buckets.items():
            known = self._buckets.get(labels, [0.0] * len(counts))
            self._buckets[labels] = [a + b for a, b in zip(known, counts)]

    # -- as text

    def text(self) -> str:
        """Prometheus' text format."""
        lines: list[str] = []
        names = {name for name, _ in self._values}
        if self._buckets:
            names.add("request_seconds")
        for name in sorted(names):
            kind, about = _HELP[name]
            full = f"ttscale_{name}"
            lines += [f"# HELP {full} {about}", f"# TYPE {full} {kind}"]
            if kind == "histogram":
                lines += self._histogram(full)
                continue
            for (known, labels), value in sorted(self._values.items()):
                if known == name:
                    lines.append(f"{full}{_written(labels)} {value:.17g}")
        return "\n".join(lines) + "\n"

    def _histogram(self, name: str) -> list[str]:
        lines = []
        for labels, counts in sorted(self._buckets.items()):
            so_far = 0.0
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), counts):
                so_far += count
                lines.append(f"{name}_bucket{_written((*labels, ('le', bound)))} {so_far:g}")
            lines.append(f"{name}_sum{_written(labels)} {counts[-1]:.17g}")
            lines.append(f"{name}_count{_written(labels)} {so_far:g}")
        return lines


def resident() -> int:
    """Bytes of memory this process occupies; 0 where that cannot be seen."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _others(state: Path | None) -> Iterable[Path]:
    return [] if state is None else sorted(state.parent.glob(f"{state.name}.metrics-*[0-9]"))


def _labels(pairs: Iterable[Iterable[str]]) -> Labels:
    return tuple((name, value) for name, value in pairs)


def _written(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
