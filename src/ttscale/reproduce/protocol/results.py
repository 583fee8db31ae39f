"""Measuring a system's claims, and the files that keep what came out."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from ... import __version__
from .catalogue import PACKAGE, Published
from .claims import Claim, Figure, Needs, System, Verdict
from .curves import Curve, Line
from .laboratory import Laboratory, Lacking


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came out for one claim.

    Attributes:
        figure: None if it could not be measured.
        needs: what was lacking then.
        seconds: it took.
    """

    claim: str
    verdict: Verdict
    figure: Figure | None
    needs: str | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came out for a system.

    Attributes:
        criterion: hash of what was measured and how it was to be judged.
        commit: of the checkout it ran in; None outside of one.
        form: "quick" or "full".
        generated, read, calls: tokens that models generated and verifiers read, and their calls.
        replayed: tokens of recordings and generated worlds, which cost nothing.
    """

    system: str
    criterion: str
    commit: str | None
    version: str
    form: str
    seed: int
    seconds: float
    generated: int
    read: int
    calls: int
    replayed: int
    findings: Sequence[Finding]
    curves: Sequence[Curve] = ()

    def of(self, claim: Claim) -> Finding | None:
        """The finding of a claim."""
        return next((f for f in self.findings if f.claim == claim.name), None)

    @property
    def spent(self) -> str:
        """What it cost, in words."""
        parts = [f"{self.seconds:,.1f} s"]
        for amount, name in (
            (self.generated, "tokens generated"),
            (self.read, "read by verifiers"),
            (self.replayed, "replayed"),
        ):
            if amount:
                parts.append(f"{amount:,} {name}")
        return ", ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """The result, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Result:
        """The inverse of `as_dict`, after a passage through JSON."""
        findings = [
            Finding(
                **{
                    **entry,
                    "verdict": Verdict(entry["verdict"]),
                    "figure": entry["figure"] and Figure(**entry["figure"]),
                }
            )
            for entry in data["findings"]
        ]
        curves = [
            Curve(**{**entry, "lines": [Line(**line) for line in entry["lines"]]}) for entry in data["curves"]
        ]
        return cls(**{**data, "findings": findings, "curves": curves})


def measure(
    system: System, lab: Laboratory, on_claim: Callable[[Claim], None] = lambda claim: None
) -> Result:
    """Measure all claims of a system, one after the other. `on_claim` is called before each."""
    began, commit = time.perf_counter(), _commit()  # a checkout may move meanwhile
    findings = []
    for claim in system.claims:
        on_claim(claim)
        findings.append(_finding(claim, lab))
    return Result(
        system=system.name,
        criterion=system.criterion_hash,
        commit=commit,
        version=__version__,
        form="full" if lab.full else "quick",
        seed=lab.seed,
        seconds=round(time.perf_counter() - began, 2),
        generated=lab.generated,
        read=lab.read,
        calls=lab.calls,
        replayed=lab.replayed,
        findings=findings,
        curves=tuple(lab.curves),
    )


def _finding(claim: Claim, lab: Laboratory) -> Finding:
    began = time.perf_counter()
    figure, needs = None, None
    if claim.measure is None:
        assert isinstance(claim.criterion, Needs)
        verdict, needs = Verdict.NEEDS, claim.criterion.what
    else:
        try:
            figure = claim.measure(lab)
            verdict = claim.criterion.judge(figure)
        except Lacking as lacking:
            verdict, needs = Verdict.NEEDS, str(lacking)
        except ModuleNotFoundError as missing:
            verdict, needs = Verdict.NEEDS, f"the Python package {missing.name}"
    seconds = round(time.perf_counter() - began, 2)
    return Finding(claim=claim.name, verdict=verdict, figure=figure, needs=needs, seconds=seconds)


def _commit() -> str | None:
    """The commit of the checkout this code stands in; "+" at its end says that files differ from it."""
    where = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=where, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", "."],
            cwd=where.parents[1],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if changed else "")


# -- result files


def kept(system: Published) -> Result | None:
    """The result that came with this version; None if there is none."""
    file = files(PACKAGE).joinpath("results", f"{system.name}.json")
    return Result.from_dict(orjson.loads(file.read_bytes())) if file.is_file() else None


def write(result: Result, folder: Path) -> Path:
    """Write a result file into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.system}.json"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(
        orjson.dumps(result.as_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY) + b"\n"
    )
    unfinished.replace(path)
    return path
