"""The samples of a cell on their way into the store, and back after an interruption.

A sample is known by what it asks (problem, role, prompt), its ordinal and its settings. Samples that
came to an end of their own are served again; those that were cancelled, failed or ended by a budget
are drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...core import GenerationRequest, Journal, Observer, Problem, Sampling, StoreError, Trace
from . import codec
from .results import Cell
from .store import Store

_FINISHED = ("stop", "length", "refused")


class StoreJournal(Journal, Observer):
    """The journal of one cell, and an observer of what is judged in it.

    `record` is called while a generation finishes, where an exception would leave the method waiting for
    ever: a store that cannot be written is reported through `failed` instead. `on_served` is told of
    samples that were drawn, and paid for, before.
    """

    def __init__(
        self,
        store: Store,
        cell: Cell,
        failed: Callable[[StoreError], None],
        on_served: Callable[[GenerationRequest, Trace], None] = lambda request, trace: None,
    ) -> None:
        self._store, self._cell, self._failed, self._on_served = store, cell, failed, on_served
        self._digests: dict[Sampling, str] = {}
        self.served_problems: set[str] = set()
        found = store.query(
            "SELECT DISTINCT problem FROM traces WHERE cell = ? AND problem NOT IN "
            "(SELECT problem FROM items WHERE cell = ? AND error IS NULL)",
            cell.id,
            cell.id,
        )
        self._unfinished = {problem for (problem,) in found}

    def served(self, request: GenerationRequest) -> Trace | None:
        """The finished trace of this very sample, if the interrupted run recorded it."""
        if request.problem.id not in self._unfinished:
            return None
        found = next(
            self._store.query(
                "SELECT finish, body FROM traces WHERE cell = ? AND problem = ? AND role = ? "
                "AND prompt = ? AND draw = ? AND sampling = ?",
                self._cell.id,
                request.problem.id,
                request.role,
                request.prompt.key,
                request.index,
                self._digest(request.sampling),
            ),
            None,
        )
        if found is None:
            return None
        finish, body = found
        # a rule cuts at the same token again; a method that cut by itself may want to go on
        if finish not in _FINISHED and not (finish == "cut" and request.rule is not None):
            return None
        trace = codec.unpack(body, role=request.role, prompt_key=request.prompt.key, index=request.index)
        if any(artifact.data is None for artifact in trace.artifacts):
            return None  # the method would miss what was too large to keep
        self.served_problems.add(request.problem.id)
        self._on_served(request, trace)
        return trace

    def record(self, request: GenerationRequest, trace: Trace) -> None:
        """Keep a finished trace."""
        try:
            self._store.add_trace(self._cell, request.problem.id, self._digest(request.sampling), trace)
        except StoreError as error:
            self._failed(error)

    def judged(self, problem: Problem, traces: Sequence[Trace]) -> None:
        """Keep rewards with their samples, so that a replay can judge by them."""
        try:
            self._store.add_rewards(self._cell, problem.id, traces)
        except StoreError as error:
            self._failed(error)

    def _digest(self, sampling: Sampling) -> str:
        known = self._digests.get(sampling)
        if known is None:
            known = self._digests[sampling] = codec.sampling_digest(sampling)
        return known
