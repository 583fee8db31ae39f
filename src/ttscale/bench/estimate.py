"""What a run would take, before anything is spent.

Bounds follow from what the methods may ask for: a request of each question at least, and at most as many
samples as the method's settings allow, each of `max_tokens` at most. An estimate needs something measured:
a store in which the same method ran on the same model. Its interval is that of
a mean over questions, Student's at 95%, and says nothing of how much these questions differ from those.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..core import Price, Prompt, Usage
from ..core.spending.prompt_lengths import size_of
from ..metrics.special_functions import student_quantile
from .plan import Planned, Settings, most_samples
from .store.store import Store

BYTES_A_TOKEN = 4  # of a prompt: nothing is known of the model's tokens here


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One method on one model's task, all its repeats; of unlimited or unknown amounts None.

    Attributes:
        most_requests, most_tokens: what the method may ask for; retries of a server that fails are beyond.
        most_cost: of that, with the question as every prompt, at four bytes a token.
        tokens, tokens_ci: expected, and the 95% interval of that; cost, cost_ci: the same in money.
        measured_on: questions that the expectation comes from; 0 if there is none.
    """

    method: str
    model: str
    task: str
    items: int
    least_requests: int
    most_requests: int | None
    most_tokens: int | None
    most_cost: float | None
    tokens: float | None = None
    tokens_ci: tuple[float, float] | None = None
    cost: float | None = None
    cost_ci: tuple[float, float] | None = None
    measured_on: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The estimate, ready for JSON."""
        return asdict(self)


def estimates(planned: Sequence[Planned], settings: Settings, like: Store | None = None) -> list[Estimate]:
    """One estimate a method, model and task, from what `like` has measured of them.

    Raises:
        StoreError: if the store cannot be read.
    """
    rows: dict[tuple[str, str, str], list[Planned]] = {}
    for one in planned:
        rows.setdefault((one.method.label, one.model.name, one.task.name), []).append(one)
    measured = {} if like is None else _measured(like)
    return [_estimate(key, several, settings, measured) for key, several in rows.items()]


def _estimate(
    key: tuple[str, str, str],
    repeats: Sequence[Planned],
    settings: Settings,
    measured: Mapping[tuple[str, str], Sequence[tuple[float, float | None]]],
) -> Estimate:
    one = repeats[0]
    items = sum(len(p.problems) for p in repeats)
    samples = _most_samples(one, settings)
    longest = _longest(one, settings)
    prompts = len(repeats) * sum(_tokens_of(p.prompt) for p in one.problems)
    most = None if samples is None else items * samples
    most_tokens = None if most is None or longest is None else most * longest
    if (budget := settings.budget) is not None and budget.tokens is not None:
        most_tokens = min(items * budget.tokens, most_tokens or items * budget.tokens)
    price = one.model.price if not settings.roles else None  # other roles have prices of their own
    known = measured.get((key[0], key[1]), [])
    tokens, tokens_ci = _mean([spent for spent, _ in known], items)
    cost, cost_ci = _mean([money for _, money in known], items)
    return Estimate(
        method=key[0],
        model=key[1],
        task=key[2],
        items=items,
        least_requests=items,
        most_requests=most,
        most_tokens=most_tokens,
        most_cost=_money(price, prompts * (samples or 0), most_tokens),
        tokens=tokens,
        tokens_ci=tokens_ci,
        cost=cost,
        cost_ci=cost_ci,
        measured_on=len(known),
    )


def _most_samples(one: Planned, settings: Settings) -> int | None:
    """Requests for one question at most; None if nothing bounds them."""
    plain = set(one.method.needs()) == {"main"}  # a role that judges or plans makes requests too
    bound = most_samples(one.method) if plain else None
    allowed = None if settings.budget is None else settings.budget.calls
    bounds = [b for b in (bound, allowed) if b is not None]
    return min(bounds, default=None)


def _longest(one: Planned, settings: Settings) -> int | None:
    """Tokens of one sample at most, as the run will ask for them; None if that is left to the model."""
    for sampling in (settings.request, one.model.sampling, settings.defaults):
        if sampling.max_tokens is not None:
            return sampling.max_tokens
    return None


def _tokens_of(prompt: Prompt) -> int:
    return math.ceil(size_of(prompt) / BYTES_A_TOKEN)


def _money(price: Price | None, prompts: float, tokens: float | None) -> float | None:
    return None if price is None or tokens is None else price.of(int(prompts), 0) + tokens * price.of(0, 1)


def _measured(store: Store) -> dict[tuple[str, str], list[tuple[float, float | None]]]:
    """(method, model) -> tokens and money of every question, averaged over its repeats."""
    found: dict[tuple[str, str], dict[tuple[str, str], list[Usage]]] = {}
    for cell in store.cells():
        questions = found.setdefault((cell.method, cell.model), {})
        for result in store.items(cell):
            if result.error is None:
                questions.setdefault((cell.task, result.problem), []).append(result.usage)
    return {key: [_averaged(spent) for spent in questions.values()] for key, questions in found.items()}


def _averaged(repeats: Sequence[Usage]) -> tuple[float, float | None]:
    costs = [usage.cost for usage in repeats]
    known = [cost for cost in costs if cost is not None]
    money = sum(known) / len(known) if len(known) == len(costs) else None
    return sum(usage.tokens for usage in repeats) / len(repeats), money


def _mean(spent: Sequence[float | None], items: int) -> tuple[float | None, tuple[float, float] | None]:
    """(expected for so many items, its interval): None if an amount is not known, and of one question
    there is no interval."""
    known = [amount for amount in spent if amount is not None]
    if not known or len(known) < len(spent):
        return None, None
    mean = float(np.mean(known))
    if len(known) == 1:
        return items * mean, None
    half = student_quantile(0.975, len(known) - 1) * float(np.std(known, ddof=1)) / math.sqrt(len(known))
    return items * mean, (items * max(0.0, mean - half), items * (mean + half))
