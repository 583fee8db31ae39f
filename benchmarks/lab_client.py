"""What the lab reports share: a llama.cpp server and its client, samples, intervals."""

import asyncio
import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import xllamacpp

from ttscale.training.tiny.tokenizer import chat
from ttscale.worlds.arithmetic import WorldProblem, check_answer, messages

SLOTS, THREADS, CONTEXT = 16, 2, 2048
MAX_TOKENS = 500
TOP_LOGPROBS = 20  # DeepConf's k


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    tokens: int
    confidence: tuple[float, ...] = ()  # per token: minus the mean of the top log-probabilities, nats


class Client:
    """Chat with one llama.cpp server; at most SLOTS requests at a time."""

    def __init__(self, address: str) -> None:
        self.address, self.gate = address, asyncio.Semaphore(SLOTS)
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))

    async def chat(self, prompt: list[dict[str, str]], seed: int, **options) -> dict:
        """The first choice of a completion, with its usage."""
        body = (
            {"messages": prompt, "seed": seed, "temperature": 1.0, "max_tokens": MAX_TOKENS}
            | SAMPLER
            | options
        )
        async with self.gate, self.session.post(f"{self.address}/v1/chat/completions", json=body) as response:
            response.raise_for_status()
            answer = await response.json()
        return answer["choices"][0] | {"usage": answer["usage"]}

    async def reply(
        self, prompt: list[dict[str, str]], seed: int, *, confidence: bool = False, **options
    ) -> Reply:
        if confidence:
            options |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        choice = await self.chat(prompt, seed, **options)
        tokens = choice["logprobs"]["content"] if confidence else ()
        values = (-statistics.fmean(top["logprob"] for top in token["top_logprobs"]) for token in tokens)
        return Reply(choice["message"]["content"], choice["usage"]["completion_tokens"], tuple(values))

    async def continued(self, system: str, user: str, prefix: str, seed: int, **options) -> Reply:
        """What follows a reply's beginning."""
        prompt = chat(system, user) + prefix
        body = (
            {"prompt": prompt, "seed": seed, "temperature": 1.0, "max_tokens": MAX_TOKENS} | SAMPLER | options
        )
        async with self.gate, self.session.post(f"{self.address}/v1/completions", json=body) as response:
            response.raise_for_status()
            answer = await response.json()
        return Reply(answer["choices"][0]["text"], answer["usage"]["completion_tokens"])


SAMPLER = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0, "reasoning_format": "none"}


@contextmanager
def server(path: Path) -> Iterator[str]:
    """Address of a llama.cpp server for this GGUF, gone when the block ends."""
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx, settings.n_parallel = SLOTS * CONTEXT, SLOTS
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = THREADS
    settings.verbosity, settings.warmup = 0, False
    running = xllamacpp.Server(settings)
    yield running.listening_address
    del running


def interval(
    groups: Sequence, statistic: Callable[[Sequence], float], rounds: int = 300
) -> tuple[float, float, float]:
    """(value, low, high): the statistic of the groups and its 95% bootstrap interval."""
    rng = random.Random(0)
    sampled = sorted(
        v for v in (statistic(rng.choices(groups, k=len(groups))) for _ in range(rounds)) if not math.isnan(v)
    )
    if not sampled:
        return statistic(groups), math.nan, math.nan
    return statistic(groups), sampled[int(0.025 * len(sampled))], sampled[int(0.975 * len(sampled))]


@dataclass(frozen=True, slots=True)
class Result:
    """A problem with its sampled replies."""

    problem: WorldProblem
    replies: list[Reply]
    right: list[bool]


async def sample_items(
    client: Client, chosen: list[WorldProblem], n: int, role: str = "solve", **options
) -> list[Result]:
    """`n` replies to each problem, in the order of their index."""

    async def one(p: WorldProblem) -> Result:
        prompt = messages(role, p.question)
        replies = await asyncio.gather(*(client.reply(prompt, seed, **options) for seed in range(n)))
        return Result(p, list(replies), [check_answer(p, r.text) for r in replies])

    return list(await asyncio.gather(*map(one, chosen)))


def pass_at_1(items: Sequence[Result]) -> float:
    return statistics.fmean(statistics.fmean(item.right) for item in items)


def length(items: Sequence[Result], right: bool | None = None) -> float:
    """Mean tokens of the replies (that are right, or wrong)."""
    lengths = [
        r.tokens for i in items for r, ok in zip(i.replies, i.right, strict=True) if right in (None, ok)
    ]
    return statistics.fmean(lengths) if lengths else math.nan
