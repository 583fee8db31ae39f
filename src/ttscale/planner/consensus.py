"""What the samples of a question agree on, in place of a gold answer that is missing.

Traffic has no gold answers. The plurality of all recorded samples is the best guess there is: what a
policy fitted on it finds is when fewer samples say what all of them say, not when they are right.
"""

from __future__ import annotations

from dataclasses import replace

from ..core import Problem, Votes
from ..core.verdict import AGREED
from ..engines import Pool


def agreed(pool: Pool) -> Pool:
    """The pool with the plurality of each question's samples as its reference. A tie goes to the
    answer seen first; questions without an answer have none."""
    return replace(pool, problems=[_with_reference(pool, problem) for problem in pool.problems])


def _with_reference(pool: Pool, problem: Problem) -> Problem:
    votes = Votes.of(problem, pool.find(problem, "main", problem.prompt))
    meta = {name: v for name, v in problem.meta.items() if name not in ("grade", "golds")}
    return replace(problem, reference=votes.top(), meta={**meta, AGREED: True})
