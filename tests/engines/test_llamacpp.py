"""The embedded llama.cpp server, for real: what it generates, counts, and stops generating."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from engines.fake_server import AwaitedRequest
from fakes import Boxed

from ttscale.core import Budget, ContextOverflow, Problem, Prompt, Run, Sampling, Trace, UsageError
from ttscale.engines.catalogue import downloads
from ttscale.engines.catalogue.bundled import bundled_models
from ttscale.engines.llamacpp import LlamaCpp
from ttscale.methods.registry import parse

SLOTS = 4
SEA = Prompt.user("Tell me about the sea.")


def gguf() -> Path:
    """The small model, fetched if need be."""
    try:
        return downloads.pull("smollm2-135m")
    except Exception as error:
        pytest.skip(f"smollm2-135m cannot be fetched: {error}")


class Served:
    """The embedded server, with helpers to draw from it."""

    def __init__(self, engine: LlamaCpp) -> None:
        self.engine = engine

    def start(self, index: int = 0, prompt: Prompt = SEA, **sampling: Any) -> tuple[Any, AwaitedRequest]:
        fields = {n: sampling.pop(n) for n in ("rule", "limit", "watch") if n in sampling}
        ask = AwaitedRequest(Sampling(**sampling), prompt, index, **fields)
        return self.engine.start(ask), ask

    async def sample(self, **fields: Any) -> Trace:
        return await self.start(**fields)[1].done


pytestmark = [pytest.mark.slow, pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    pytest.importorskip("xllamacpp")
    engine = LlamaCpp(gguf(), slots=SLOTS, context=1024, threads=1)
    await engine.open()
    yield Served(engine)
    await engine.close()


async def test_greedy_draws_are_alike_and_seeds_make_the_others_differ(served: Served) -> None:
    greedy = [await served.sample(index=i, temperature=0, max_tokens=16) for i in range(2)]
    assert greedy[0].text == greedy[1].text
    assert greedy[0].tokens == 16
    again = [await served.sample(index=i, temperature=1.0, max_tokens=16) for i in (0, 1, 0)]
    assert again[0].text == again[2].text
    assert again[0].text != again[1].text


async def test_logprobs_and_confidence_come_one_per_token(served: Served) -> None:
    trace = await served.sample(temperature=0, max_tokens=12, logprobs=5)
    assert trace.logprobs is not None
    assert trace.conf is not None
    assert len(trace.logprobs) == len(trace.conf) == trace.tokens == 12
    assert (trace.logprobs <= 0).all()
    # greedy: the sampled token leads the top five, so their mean cannot be above it
    assert (trace.conf >= -trace.logprobs - 1e-5).all()
    assert trace.ends is not None
    assert trace.ends[-1] == len(trace.text)
    assert (np.diff(trace.ends) >= 0).all()


async def test_a_prefix_is_continued_not_repeated(served: Served) -> None:
    whole = await served.sample(temperature=0, max_tokens=16)
    assert whole.ends is not None
    head = whole.text[: whole.ends[5]]
    rest = await served.sample(prompt=SEA.then(head), temperature=0, max_tokens=10)
    assert not rest.text.startswith(head)
    assert (head + rest.text)[:30] == whole.text[:30]
    raw = await served.sample(prompt=Prompt(raw="One, two, three,"), temperature=0, max_tokens=4)
    assert "four" in raw.text


async def test_a_rule_a_stop_text_and_limits_end_a_draw(served: Served) -> None:
    class Comma:
        def feed(self, chunk: Any) -> int | None:
            place = chunk.text.find(" and")
            if place < 0:
                return None
            return next(i for i, end in enumerate(chunk.ends, 1) if end > place)

    cut = await served.sample(temperature=0, max_tokens=60, rule=Comma())
    assert (cut.finish, cut.text.endswith(" and")) == ("cut", True)
    stopped = await served.sample(temperature=0, max_tokens=60, stop=(" and",))
    assert (stopped.finish, " and" in stopped.text) == ("stop", False)
    budget = await served.sample(temperature=0, limit=5)
    assert (budget.finish, budget.tokens) == ("budget", 5)
    length = await served.sample(temperature=0, max_tokens=5)
    assert (length.finish, length.tokens) == ("length", 5)


async def test_without_cancellation_the_counts_are_equal(served: Served) -> None:
    before = await served.engine.tokens_predicted()
    asks = [served.start(index=i, temperature=0.9, max_tokens=8 + 5 * i)[1] for i in range(6)]
    traces = [await ask.done for ask in asks]
    assert await served.engine.tokens_predicted() - before == sum(t.tokens for t in traces)
    assert all(t.estimated == 0 and t.prompt_tokens for t in traces)


async def test_cancellation_stops_the_server_within_a_step_per_sample(served: Served) -> None:
    before = await served.engine.tokens_predicted()
    generations = [served.start(index=i, temperature=0.9, max_tokens=600) for i in range(2 * SLOTS)]
    while min(f.seen() for f, _ in generations[:SLOTS]) < 12:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    for generation, _ in generations:
        generation.abort("cancelled")
    traces = [ask.traces[0] for _, ask in generations]
    spent = await served.engine.tokens_predicted() - before
    told = sum(t.tokens for t in traces)
    assert -SLOTS <= spent - told <= SLOTS, f"the server generated {spent}, we report {told}"
    assert [t.tokens for t in traces[SLOTS:]] == [0] * SLOTS, "those in the queue cost nothing"
    assert sum(t.estimated for t in traces) == SLOTS * served.engine.dialect.ahead


async def test_a_prompt_that_does_not_fit_is_told(served: Served) -> None:
    trace = await served.sample(prompt=Prompt.user("hi " * 3000))
    assert isinstance(trace.error, ContextOverflow)
    assert trace.tokens == 0


async def test_it_can_be_closed_and_opened_again() -> None:
    pytest.importorskip("xllamacpp")
    engine = LlamaCpp(gguf(), slots=1, context=256, threads=1)
    for _ in range(2):
        await engine.open()
        await engine.open()
        trace = await Served(engine).sample(temperature=0, max_tokens=3)
        assert trace.tokens == 3
        assert "gguf" not in trace.model
        await engine.close()


async def test_bad_model_files_are_refused_with_the_reason(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    broken, text = tmp_path / "broken.gguf", tmp_path / "text.gguf"
    broken.write_bytes(b"GGUF" + b"\3\0\0\0" + b"\xff" * 64)
    text.write_text("hello")
    for path, reason in (
        (broken, "cannot load"),
        (text, "not a GGUF"),
        (tmp_path / "none.gguf", "cannot be read"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(UsageError, match=reason):
            await LlamaCpp(path).open()
    with pytest.raises(UsageError, match="slots=0"):
        LlamaCpp(broken, slots=0)


async def test_it_writes_nothing_on_our_stdout_and_stderr(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from ttscale.engines.llamacpp import LlamaCpp\n"
        "async def main():\n"
        "    engine = LlamaCpp(sys.argv[1], slots=1, context=256, threads=1)\n"
        "    await engine.open()\n"
        "    await engine.close()\n"
        "    try:\n"
        "        await LlamaCpp(sys.argv[2]).open()\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__)\n"
        "asyncio.run(main())\n"
    )
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\3\0\0\0" + b"\xff" * 64)
    command = [sys.executable, "-c", code, str(gguf()), str(broken)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("UsageError\n", "", 0)


async def test_closing_it_as_soon_as_it_is_open_never_waits_for_ever() -> None:
    """A server that was stopped before its loop had begun never ended: about every fifth one."""
    pytest.importorskip("xllamacpp")
    code = (
        "import asyncio, sys\n"
        "from ttscale.engines.llamacpp import LlamaCpp\n"
        "async def main():\n"
        "    for _ in range(20):\n"
        "        engine = LlamaCpp(sys.argv[1], slots=1, context=256, threads=1)\n"
        "        await engine.open()\n"
        "        await engine.close()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", code, str(bundled_models()["tiny-small"].path)]
    done = await asyncio.to_thread(subprocess.run, command, timeout=120, check=False)
    assert done.returncode == 0


async def test_a_budget_of_tokens_is_not_passed_by_what_a_stop_still_makes() -> None:
    """By our count and by the server's own. A server whose client gets no processor is ahead of it by
    more than a stop takes, so that one of several tries counts; without the reserve, none would do."""
    pytest.importorskip("xllamacpp")
    engine = LlamaCpp(bundled_models()["tiny"].path, slots=SLOTS, context=1024, threads=1)
    question = Problem("sum", Prompt.user("What is 7 + 8 - 3 + 4 - 6 + 9?"), Boxed())

    async def spent(label: str, limit: int) -> int:
        before = await engine.tokens_predicted()
        run = Run({"main": engine})
        outcome = await run.answer(parse(label), question, budget=Budget(tokens=limit))
        return max(outcome.usage.tokens, await engine.tokens_predicted() - before)

    await engine.open()
    try:
        for label in ("ffs(n=8)", "sc(n=8)"):
            for limit in (40, 100, 200):
                tries = []
                while not tries or (tries[-1] > limit and len(tries) < 8):
                    tries.append(await spent(label, limit))
                assert tries[-1] <= limit, (label, limit, tries)
    finally:
        await engine.close()


async def test_the_memory_for_prompts_stays_within_its_setting() -> None:
    """In a process of its own, whose memory nothing else changes. Without the bound the same prompts take
    85 MiB."""
    pytest.importorskip("xllamacpp")
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", GROWTH, str(bundled_models()["tiny"].path)],
        capture_output=True,
        text=True,
        check=True,
    )
    grown = float(done.stdout)
    assert grown < CACHED, f"300 prompts took {grown:.0f} MiB more, of {CACHED}"


CACHED = 8  # MiB
GROWTH = f"""
import asyncio, os, sys
from ttscale.engines.llamacpp import LlamaCpp

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

async def main():
    engine = LlamaCpp(sys.argv[1], slots=2, context=512, threads=1, prompt_cache={CACHED})
    await engine.open()
    async def ask(number):
        body = {{"model": "", "prompt": f"Number {{number}} is " + f"{{number}} and " * 12, "max_tokens": 1}}
        await engine.fetch("/v1/completions", body)
    for number in range(20):
        await ask(number)
    before = resident()
    for number in range(20, 320):
        await ask(number)
    print(resident() - before)
    await engine.close()

asyncio.run(main())
"""
