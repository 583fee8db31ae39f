"""The pool that comes with the examples is whole: every sample there, none failed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ttscale.bench import Store, pools_from_store

POOL = Path(__file__).parents[3] / "examples" / "pool" / "lab-word.db"


def test_the_shipped_pool_has_sixteen_samples_of_each_of_sixty_questions_and_no_failed_one():
    with Store.open(POOL) as store:
        (cell,) = store.cells()
        traces = [(question, trace.finish) for question, trace in store.traces(cell)]
    assert Counter(finish for _, finish in traces) == {"stop": 960}
    assert set(Counter(question for question, _ in traces).values()) == {16}
    (pool,) = pools_from_store(POOL)
    assert (len(pool.problems), pool.size()) == (60, 16)
    assert pool.capabilities >= {"text", "logprobs"}
