"""An evaluation harness nobody here wrote runs a local task through the gateway."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys

import pytest
from gateway.harness import Model, world

EVALUATION = """
import json, sys
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import match

url, name = sys.argv[1:]
samples = [Sample(input="What is 2 + 2?", target="4"), Sample(input="And 1 + 2?", target="3")]
task = Task(dataset=samples, scorer=match(numeric=True))
model = get_model(f"openai/{name}", base_url=url, api_key="none", responses_api=False)
(log,) = eval(task, model=model, log_dir="logs", display="none")
(used,) = log.stats.model_usage.values()
print(json.dumps([log.status, log.results.scores[0].metrics["accuracy"].value, used.output_tokens]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["m", "sc(n=3)/m", "ffs(n=3)/m"])
async def test_inspect_evaluates_through_the_gateway(name, tmp_path):
    if importlib.util.find_spec("inspect_ai") is None:
        pytest.skip("pip install inspect-ai")
    model = Model(lambda body, n: ["ANSWER: ", "4"])
    async with world(model) as w:
        # a process of its own: what the harness leaves behind is not ours to clean up
        command = [sys.executable, "-c", EVALUATION, f"{w.url}/v1", name]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stderr[-2000:]
    status, accuracy, tokens = json.loads(done.stdout.splitlines()[-1])
    assert (status, accuracy) == ("success", 0.5)
    if not name.startswith("ffs"):  # where none is stopped, none is estimated
        assert tokens == model.made
