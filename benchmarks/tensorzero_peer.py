"""TensorZero on the same upstream, for `gateway.py`: runs with the interpreter of its own environment.

    PYTHON benchmarks/tensorzero_peer.py UPSTREAM_URL SECONDS ROUNDS

Its gateway is embedded in this process, so that its calls save a hop. Best-of-n draws five samples
and asks a judge, mixture-of-n draws five and fuses them. A figure is the best of its rounds. The last
line is JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tensorzero import AsyncTensorZeroGateway

SAMPLES = 5
LEVELS = (1, 16, 128)
RACES = 20
SLOW = 77  # max_tokens at which the upstream takes its time
_INPUT: Any = {"messages": [{"role": "user", "content": "What is 2 + 2?"}]}
_LAST = {
    "best_of_n": ("experimental_best_of_n_sampling", "evaluator"),
    "mixture": ("experimental_mixture_of_n", "fuser"),
}
_MODEL = """
[models.m]
routing = ["upstream"]
[models.m.providers.upstream]
type = "openai"
model_name = "m"
api_base = "{url}/v1/"
api_key_location = "none"
"""
_FUNCTION = """
[functions.{name}]
type = "chat"
[functions.{name}.variants.sample]
type = "chat_completion"
model = "m"
{limit}
[functions.{name}.variants.whole]
type = "{kind}"
candidates = {candidates}
[functions.{name}.variants.whole.{last}]
model = "m"
{limit}
"""


def configuration(url: str) -> str:
    """Both functions, at once and slow."""
    text = _MODEL.format(url=url)
    for pace, limit in (("", ""), ("slow_", f"max_tokens = {SLOW}")):
        for name, (kind, last) in _LAST.items():
            candidates = json.dumps(["sample"] * SAMPLES)
            text += _FUNCTION.format(
                name=pace + name, kind=kind, last=last, candidates=candidates, limit=limit
            )
    return text


def counts(url: str) -> dict[str, Any]:
    """What the upstream has seen."""
    with urlopen(url + "/counts") as reply:
        return dict(json.load(reply))


def memory() -> float:
    """Resident megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


class Load:
    """Requests to one embedded gateway."""

    def __init__(self, gateway: AsyncTensorZeroGateway, url: str) -> None:
        self.gateway, self.url = gateway, url

    async def ask(self, name: str) -> float:
        """Seconds one request takes."""
        began = time.perf_counter()
        await self.gateway.inference(function_name=name, variant_name="whole", input=_INPUT)
        return time.perf_counter() - began

    async def measure(self, name: str, level: int, seconds: float) -> dict[str, float]:
        """Requests of `level` clients for some time: upstream calls a second, percentiles (ms)."""
        took: list[float] = []
        before, began = counts(self.url)["calls"], time.perf_counter()

        async def client() -> None:
            while time.perf_counter() < began + seconds:
                took.append(await self.ask(name))

        await asyncio.gather(*(client() for _ in range(level)))
        spent = time.perf_counter() - began
        took.sort()
        return {
            "rps": len(took) / spent,
            "upstream_calls_per_s": (counts(self.url)["calls"] - before) / spent,
            "p50": 1e3 * took[len(took) // 2],
            "p99": 1e3 * took[min(len(took) - 1, int(len(took) * 0.99))],
        }

    async def race(self, name: str) -> dict[str, float]:
        """One request after the other to the slow upstream."""
        before = counts(self.url)["cancelled"]
        took = sorted([await self.ask(name) for _ in range(RACES)])
        return {"p50_s": took[RACES // 2], "cancelled": counts(self.url)["cancelled"] - before}


async def run(url: str, seconds: float, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "tensorzero.toml"
        config.write_text(configuration(url))
        building: Any = AsyncTensorZeroGateway.build_embedded(
            config_file=str(config), clickhouse_url=None, async_setup=True
        )
        gateway = await building
    load = Load(gateway, url)
    figures: dict[str, Mapping[str, float]] = {}
    for name in _LAST:
        for level in LEVELS:
            tries = [await load.measure(name, level, seconds) for _ in range(rounds)]
            figures[f"{name} c={level}"] = max(tries, key=lambda figure: figure["upstream_calls_per_s"])
    races = {name: await load.race(f"slow_{name}") for name in _LAST}
    return {"figures": figures, "races": races, "memory_mb": memory()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))))
