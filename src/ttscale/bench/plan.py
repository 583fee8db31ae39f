"""What a bench run is asked for, and the grid of cells that follows from it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from ..core import (
    Budget,
    Configured,
    PoolExhausted,
    Price,
    Problem,
    RecordError,
    Sampling,
    StoreError,
    UsageError,
)
from ..engines import Catalogue, ModelSource, Replay, open_model
from ..methods import parse
from .shard import Shard
from .tasks.task import Task, load_task
from .totals import Limits

Keep = Literal["auto", "all", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The request, ready for JSON: what `resume` needs to go on.

    Attributes:
        methods, models, tasks: specifications, as written. Recordings bring their own tasks.
        n: questions per task at most.
        repeats: "auto" repeats a method on a recording until every sample is used, and runs it once
            on a live model.
        budget: limits per question. A method that takes a set gets the tokens, samples, money and
            units of all its questions together.
        sampling: settings asked for explicitly; they override a method's taste.
        defaults: settings used where nothing else is requested.
        roles: role -> model specification.
        concurrency: questions in flight.
        keep_traces: "auto" keeps those of live models.
        limits: of the whole run; see `totals`.
        shard: the share of the questions that is answered, as "3/8"; None for all of them.
        recordings: file -> its fingerprint, of the recordings among the models.
        prices: model -> its price when the run began, which is paid until it ends; None for a run that
            kept none.
    """

    methods: tuple[str, ...]
    models: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    n: int | None = None
    repeats: int | Literal["auto"] = "auto"
    budget: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = 16
    seed: int = 0
    keep_traces: Keep = "auto"
    limits: Mapping[str, Any] = field(default_factory=dict)
    shard: str | None = None
    recordings: Mapping[str, Any] = field(default_factory=dict)
    prices: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("methods", "models"):
            if not getattr(self, name):
                raise UsageError(f"no {name[:-1]} to compare", fix=f"give --{name[:-1]}")
        for name in ("n", "repeats", "concurrency"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise UsageError(f"{name}={value} is not positive", fix="give at least 1")
        Limits(**self.limits)
        if self.shard is not None:
            Shard.read(self.shard)
        Budget.of(dict(self.budget))
        Sampling.of(self.sampling)
        Sampling.of(self.defaults)

    def priced(self, source: ModelSource) -> ModelSource:
        """A model at the price of the run, whatever it costs by now."""
        if self.prices is None:
            return source
        price = self.prices.get(source.name)
        return replace(source, price=None if price is None else Price(**price))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """The inverse of `as_dict`, after a passage through JSON.

        Raises:
            StoreError: if it holds no plan.
        """
        known = {f.name for f in fields(cls)}
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in known
        }
        try:
            return cls(**given)
        except TypeError as error:
            raise StoreError(
                f"the stored plan is damaged ({error})", fix="restore a copy of the store"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is equal for all cells.

    Attributes:
        budget: per question; see `Plan`.
        request: sampling settings asked for explicitly.
        defaults: used where neither user, method nor model asks for anything.
        roles: role -> model.
        limits: of the whole run.
        seconds: of real time for the run; what is in flight then is stopped and not kept. None for
            no limit.
    """

    budget: Budget | None = None
    request: Sampling = field(default_factory=Sampling)
    defaults: Sampling = field(default_factory=Sampling)
    roles: Mapping[str, ModelSource] | None = None
    concurrency: int = 16
    keep_traces: Keep = "auto"
    limits: Limits = field(default_factory=Limits)
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One cell of the grid: a method on a model's task, in one repeat.

    Attributes:
        engine: overrides for the model's `make`, such as the recorded samples to skip.
        seed: of the run; the same for all methods, so that equal requests get equal samples.
        shard: the share of the task's questions that is answered.
    """

    method: Configured
    model: ModelSource
    task: Task
    repeat: int
    seed: int
    engine: Mapping[str, Any] = field(default_factory=dict)
    shard: Shard | None = None

    @property
    def problems(self) -> Sequence[Problem]:
        """The questions to answer."""
        return self.task.problems if self.shard is None else self.shard.part(self.task.problems)

    @property
    def knobs(self) -> dict[str, Any]:
        """The field that scales the method's compute, and its value."""
        knob = self.method.card.knob
        return {knob: getattr(self.method.cfg, knob)} if knob else {}


def prices_of(sources: Iterable[ModelSource]) -> dict[str, dict[str, float]]:
    """Model -> its price, of those that have one; ready for JSON."""
    return {source.name: asdict(source.price) for source in sources if source.price is not None}


def grid(plan: Plan, catalogue: Catalogue | None = None) -> list[Planned]:
    """All cells of a plan, model by model.

    Raises:
        UsageError: for anything the plan names that cannot be had; nothing has been spent then.
    """
    chosen = [parse(spec) for spec in plan.methods]
    models = [plan.priced(source) for spec in plan.models for source in open_model(spec, catalogue)]
    recorded = {pool.task for source in models for pool in source.pools}
    pairs = [(source, tasks_of(source, plan, recorded)) for source in models]
    planned = arrange(chosen, pairs, repeats=plan.repeats, seed=plan.seed)
    return planned if plan.shard is None else _sharded(planned, Shard.read(plan.shard))


def _sharded(planned: Sequence[Planned], shard: Shard) -> list[Planned]:
    """The same cells, so that shards of one run can be merged, with a share of the questions."""
    for one in planned:
        if one.method.card.scope == "set":
            raise UsageError(
                f"method {one.method.label} spends across all questions", fix="run it without --shard"
            )
        if shard.of > len(one.task.problems):
            raise UsageError(
                f"{shard.of} shards of the {len(one.task.problems)} questions of {one.task.name}",
                fix="cut it into fewer",
            )
    return [replace(one, shard=shard) for one in planned]


def tasks_of(source: ModelSource, plan: Plan, recorded: Container[str]) -> list[Task]:
    """The tasks a model is run on: those asked for, or those its recording holds. `recorded` are
    the tasks of all recordings: each model meets those of its own only."""
    own = {pool.task: pool.problems[: plan.n] for pool in source.pools}
    if own and not plan.tasks:
        return [Task(name, problems) for name, problems in own.items()]
    if not plan.tasks:
        raise UsageError(
            f"model {source.name!r} brings no questions", fix="give --task, see ttscale bench run --help"
        )
    found = []
    for spec in plan.tasks:
        if spec in own:
            found.append(Task(spec, own[spec]))
        elif spec not in recorded:
            task = load_task(spec, n=plan.n, seed=plan.seed)
            if not own or _recorded(source, task):
                found.append(task)
    return found


def _recorded(source: ModelSource, task: Task) -> bool:
    return any(
        pool.find(problem, "main", problem.prompt) for pool in source.pools for problem in task.problems
    )


def arrange(
    methods: Sequence[Configured],
    models: Iterable[tuple[ModelSource, Sequence[Task]]],
    *,
    repeats: int | Literal["auto"] = "auto",
    seed: int = 0,
) -> list[Planned]:
    """The grid of given methods, models and tasks.

    Raises:
        PoolExhausted: if a method may ask for more samples than any question of a recording has.
        UsageError: if a method or a model with its task is named twice, or nothing is left to run.
        RecordError: if a task has no questions, or two with the same id.
    """
    for number, method in enumerate(methods):
        for earlier in methods[:number]:
            _check_differs(method, earlier)
    planned: list[Planned] = []
    seen: set[tuple[str, str]] = set()
    for source, tasks in models:
        for task in tasks:
            _check(task)
            if (source.name, task.name) in seen:
                raise UsageError(
                    f"model {source.name!r} meets task {task.name!r} twice",
                    fix="give one of them an alias of its own in the config",
                )
            seen.add((source.name, task.name))
            for method in methods:
                planned += _repeated(method, source, task, repeats, seed)
    if not planned:
        raise UsageError("no recorded question belongs to the tasks asked for", fix="drop --task")
    return planned


def _check_differs(method: Configured, earlier: Configured) -> None:
    """Refuse a method that is there already, under this name or another: two rows would show one
    measurement, and look like two that agree."""
    if method.label == earlier.label:
        raise UsageError(f"method {method.label} is given twice", fix="name it once")
    if method.method is earlier.method and method.cfg == earlier.cfg:
        raise UsageError(
            f"method {method.label} is {earlier.label} written in another way", fix="name it once"
        )


def _check(task: Task) -> None:
    if not task.problems:
        raise RecordError(f"task {task.name!r} has no questions", fix="check its file and filters")
    if len({p.id for p in task.problems}) < len(task.problems):
        raise RecordError(f"task {task.name!r} has questions with equal ids", fix="number them")


def _repeated(
    method: Configured, source: ModelSource, task: Task, repeats: int | Literal["auto"], seed: int
) -> list[Planned]:
    """A method's repeats: on a recording they use disjoint samples as long as there are enough; more
    repeats than that draw from the whole recording, shuffled anew each time."""

    def one(repeat: int, **engine: Any) -> Planned:
        return Planned(
            method=method, model=source, task=task, repeat=repeat, engine=engine, seed=_seed(seed, repeat)
        )

    engine = source.make() if source.pools else None
    if not isinstance(engine, Replay) or engine.resample:
        return [one(r) for r in range(1 if repeats == "auto" else repeats)]
    skipped, pool = engine.skip, engine.pool
    sizes = {len(pool.find(p, "main", p.prompt)) for p in task.problems}
    there = min(sizes) - skipped
    used = samples_used(method, there)
    if len(sizes) == 1 and used > there > 0:
        # where questions have different numbers of samples a method may still come out
        field = method.card.draws
        raise PoolExhausted(
            f"method {method.label!r} may draw {used} samples per question, the recording of "
            f"{source.name!r} on {task.name!r} holds {there}",
            fix=f"give it {field}={there}, or draw with replacement: ?resample=true",
        )
    disjoint = max(1, there // used)
    wanted = disjoint if repeats == "auto" else repeats
    if wanted > disjoint:
        return [one(r, order="shuffled") for r in range(wanted)]
    return [one(r, skip=skipped + r * used) for r in range(wanted)]


def samples_used(method: Configured, there: int) -> int:
    """Recorded samples per question that one run of a method may use: its bound; 1 if nothing scales
    it; all there are if it has no bound."""
    bound = most_samples(method)
    return max(1, there if bound is None else bound)


def most_samples(method: Configured) -> int | None:
    """Samples per question that a method may ask for: its bound; 1 if nothing scales it; None if it has
    no bound."""
    card = method.card
    bound = method.max_samples() if card.draws else None
    return bound if bound is not None or card.knob else 1


def _seed(seed: int, repeat: int) -> int:
    # far apart, so that repeats of neighbouring seeds share no samples
    return seed + repeat * 1_000_003
