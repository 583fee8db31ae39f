"""The same number of samples for each of a task's questions, within so many requests and seconds.

Questions are begun a few at a time, so that what time allows is whole questions rather than the first
samples of all. One that is not whole when time or requests end is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from ...core import AtLeast, Engine, Sampling, Unreachable, UsageError, declared
from ...engines import ModelSource, Pool
from ...engines.http.client import HTTPClient
from ...engines.http.errors.failures import RequestsSpent
from ...methods import parse
from ..plan import Plan, Settings, arrange
from ..progress import Progress
from ..runner import run_bench
from ..store.replay_pool import pools_from_store
from ..store.store import Store
from ..tasks.task import Task

_ANALYSIS = 0.1  # of the seconds: for replaying and reporting
_RETRIES = 0.05  # of the requests: kept back for those that fail
_WHOLE = frozenset({"stop", "length"})  # a limit on tokens is the model's own end of a sample


@declared
class Limits:
    """How much a quick look may take.

    Attributes:
        requests: HTTP requests in all, probes and retries included.
        seconds: of real time in all.
        samples: of each question.
        together: questions in flight.
    """

    requests: Annotated[int, AtLeast(1)] = 200
    seconds: Annotated[float, AtLeast(1)] = 120.0
    samples: Annotated[int, AtLeast(2)] = 8
    together: Annotated[int, AtLeast(1)] = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was recorded.

    Attributes:
        pool: the questions that have all their samples.
        requests: sent; None where the model is not behind HTTP.
        seconds: it took.
        begun: questions that have samples, `pool`'s among them.
    """

    pool: Pool
    requests: int | None
    seconds: float
    begun: int


@dataclass(slots=True, kw_only=True)
class _Recorder:
    """One engine for probing and sampling, so that every request is counted."""

    engine: Engine
    limits: Limits
    began: float = field(default_factory=time.monotonic)

    @property
    def client(self) -> HTTPClient | None:
        return self.engine if isinstance(self.engine, HTTPClient) else None

    @property
    def left(self) -> float:
        """Seconds that sampling may still take."""
        return self.limits.seconds * (1 - _ANALYSIS) - (time.monotonic() - self.began)

    def reach(self) -> None:
        """Probe the server; what that takes is known then.

        Raises:
            EngineError: if it cannot be reached, or not in time.
        """
        if (client := self.client) is None:
            return
        client.most_requests = self.limits.requests
        client.idle = min(client.idle, self.limits.seconds)

        async def opened_once() -> None:
            async with asyncio.timeout(self.left / 2):
                await self.engine.open()
            await self.engine.close()

        try:
            asyncio.run(opened_once())
        except TimeoutError:
            raise Unreachable(
                f"{client.server} has not answered within {self.left / 2:.0f} s",
                fix="look at its log, or allow more --seconds",
            ) from None

    def questions(self) -> int:
        """Questions that the requests allow.

        Raises:
            UsageError: if they do not allow one.
        """
        spent = self.client.requests if self.client else 0
        spare = int(self.limits.requests * _RETRIES)
        most = (self.limits.requests - spent - spare) // self.limits.samples
        if most < 1:
            raise UsageError(
                f"{self.limits.requests} requests, less what probing and retries take, do not allow "
                f"{self.limits.samples} samples of one question",
                fix="allow more --requests, or fewer --samples",
            )
        return most


def record_pool(
    path: Path,
    source: ModelSource,
    task: Task,
    limits: Limits,
    *,
    seed: int = 0,
    request: Sampling | None = None,
    defaults: Sampling | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Recorded:
    """Sample a model, and keep what it said in a store at `path`; blocks.

    Raises:
        EngineError: if the server cannot be reached.
        UsageError: if the limits do not allow one question, or none was finished within them.
    """
    recorder = _Recorder(engine=source.make(), limits=limits)
    recorder.reach()
    task = replace(task, problems=task.problems[: recorder.questions()])
    method = f"sc(n={limits.samples})"
    settings = Settings(
        request=request or Sampling(),
        defaults=defaults or Sampling(),
        concurrency=limits.together,
        keep_traces="all",
        seconds=recorder.left,
    )
    counted = replace(source, make=lambda **_: recorder.engine)
    planned = arrange([parse(method)], [(counted, [task])], seed=seed)
    with Store.create(path, _plan(method, source, task, settings, seed).as_dict()) as store:
        try:
            run_bench(store, planned, settings, on_progress)
        except RequestsSpent:
            pass  # what is whole counts
        except BaseException:
            if not store.begun:
                store.delete()
            raise
        failed = next(store.query("SELECT error FROM items WHERE error IS NOT NULL"), (None,))[0]
        if not store.begun:
            store.delete()
            raise _nothing(limits, failed)
    requests = recorder.client.requests if recorder.client else None
    begun, pool = _whole(path, limits.samples)
    if pool is None:
        raise _nothing(limits, failed)
    return Recorded(pool=pool, requests=requests, seconds=time.monotonic() - recorder.began, begun=begun)


def _plan(method: str, source: ModelSource, task: Task, settings: Settings, seed: int) -> Plan:
    given: Mapping[str, Any] = settings.request.given()
    return Plan(
        methods=(method,),
        models=(source.spec,),
        tasks=(f"file:{task.source}" if task.source else task.name,),
        n=len(task.problems),
        sampling=given,
        defaults=settings.defaults.given(),
        concurrency=settings.concurrency,
        seed=seed,
        keep_traces="all",
    )


def _whole(path: Path, samples: int) -> tuple[int, Pool | None]:
    """(questions that have any sample, the pool of those that have all)."""
    pools = pools_from_store(path)
    if not pools:
        return 0, None
    (pool,) = pools
    whole = [
        problem
        for problem in pool.problems
        if sum(t.finish in _WHOLE for t in pool.find(problem, "main", problem.prompt)) >= samples
    ]
    return len(pool.problems), replace(pool, problems=whole) if whole else None


def _nothing(limits: Limits, failed: str | None) -> UsageError:
    why = f" ({failed})" if failed else ""
    return UsageError(
        f"not one question got its {limits.samples} samples within {limits.seconds:g} s and "
        f"{limits.requests} requests{why}",
        fix="allow more --seconds, ask for fewer --samples, or limit their --max-tokens",
    )
