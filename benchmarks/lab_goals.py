"""The laboratory's goals, and the tables of the model card from what `lab_report.py --keep` measured.

    python benchmarks/lab_goals.py            # writes the tables into the card
    python benchmarks/lab_goals.py --check    # says whether the card is as it would be written

A goal is reached when the measured value is at least the goal's and the lower end of its interval is
above the value of the models before. What was tried for a goal that is not reached stands beside it.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import lab_table
from lab_table import Part, Row, shown

PROBLEMS = 200  # a level and family, on which a goal is settled
KEPT = Path(__file__).parent / "lab_report.json"
CARD = Path(__file__).parents[1] / "src/ttscale/assets/tiny/MODEL_CARD.md"
SECTION = "<!-- {name} -->\n{text}\n<!-- end of {name} -->"


@dataclass(frozen=True, slots=True)
class Goal:
    """At least `least` in a row of a part of the report.

    `before`: what the earlier models measured, None where they could not do it. `tried`: what was
    done to reach it, for the card.
    """

    name: str
    part: str
    row: str
    least: float
    before: float | None
    tried: str

    def reached(self, row: Row) -> bool:
        above = self.before is None or row.low > self.before
        return row.value >= self.least and above


PAIRS = (
    "a loss over pairs of replies to one question, 900,000 further tokens on 2,760 replies: on the stories of"
    " `examples/pool` from -0.19 to -0.03"
)
LONGER = "prompts of up to 800 tokens, in the verbose model's documents"
GOALS = (
    Goal(
        "best of 16 by reward minus one sample",
        "concise",
        "best of 16 by reward minus one sample",
        0.05,
        None,
        PAIRS,
    ),
    Goal("the same on stories", "concise", "best of 16 by reward minus one sample: word", 0.10, -0.19, PAIRS),
    Goal(
        "reward model within a problem, AUC",
        "concise",
        "PRM last-step AUC, level 3: within a problem",
        0.75,
        0.71,
        PAIRS,
    ),
    Goal(
        "judge without thinking, AUC",
        "verbose",
        "judge AUC, level 3: without thinking",
        0.75,
        0.62,
        "half of the judges of the model's own attempts answer at once",
    ),
    Goal(
        "right one of two searches rated higher",
        "verbose",
        "right one of a pair rated higher: searches",
        0.65,
        0.49,
        LONGER,
    ),
    Goal(
        "merging three minus their majority",
        "verbose",
        "merging three minus their majority",
        0.0,
        None,
        "merging taught on the model's own samples: their answers first, worked out only where these differ",
    ),
    Goal(
        "plans that can be used",
        "verbose",
        "plan that can be used, level 3",
        0.60,
        None,
        "sub-questions that refer to earlier answers, with difficulties, and credits that add up to 100;"
        " earlier plans were exact in 0.16",
    ),
    Goal(
        "times the tokens of the concise model",
        "verbose",
        "verbose: times the tokens of the concise model",
        2.0,
        None,
        "",
    ),
    Goal(
        "accuracy minus the concise model's",
        "verbose",
        "verbose: pass@1 minus the concise model's",
        -0.03,
        None,
        "4,000,000 tokens, a sixth of the documents as before: sums are unlearned, in the concise mode too"
        " (`docs/findings.md`)",
    ),
)


def goal_table(parts: Mapping[str, Part]) -> str:
    """A line a goal; one whose row was not measured says so."""
    lines = [
        "| goal | at least | reached | 95% interval | before | what was tried |",
        "|---|---|---|---|---|---|",
    ]
    for goal in GOALS:
        before = "" if goal.before is None else shown(goal.before)
        found = _found(goal, parts.get(goal.part))
        lines.append(f"| {goal.name} | {shown(goal.least)} | {found} | {before} | {goal.tried} |")
    return "\n".join(lines)


def _found(goal: Goal, part: Part | None) -> str:
    """The verdict with the value, and the interval; on fewer than PROBLEMS it may still change."""
    row = part.rows.get(goal.row) if part else None
    if part is None or row is None:
        return "not measured | "
    verdict = "yes" if goal.reached(row) else "**no**"
    if part.problems < PROBLEMS:
        verdict += f" so far ({part.problems} problems)"
    return f"{verdict}, {shown(row.value)} | {row.span}"


def written(card: str, parts: Mapping[str, Part]) -> str:
    """The card with each section between its marks made anew; ValueError for marks that are not there.

    A part that was not measured leaves its section as it is.
    """
    sections = {"goals": goal_table(parts)} | {name: str(part) for name, part in parts.items()}
    for name, text in sections.items():
        marked = re.compile(SECTION.format(name=name, text=".*?"), re.DOTALL)
        if not marked.search(card):
            raise ValueError(f"the card has no section {name!r}: <!-- {name} --> ... <!-- end of {name} -->")
        section = SECTION.format(name=name, text=text)
        card = marked.sub(lambda _, section=section: section, card)
    return card


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the card is stale")
    options = parser.parse_args(argv)
    card = CARD.read_text()
    fresh = written(card, lab_table.read(KEPT))
    if not options.check:
        CARD.write_text(fresh)
    return int(options.check and fresh != card)


if __name__ == "__main__":
    sys.exit(main())
