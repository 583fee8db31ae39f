"""The life cycle of a sample that is made piece by piece: it ends where it must, and once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from fakes import problem
from hypothesis import assume, given
from hypothesis import strategies as st

from ttscale.core import (
    Chunk,
    Embeddings,
    EngineWrapper,
    Finish,
    Generation,
    GenerationRequest,
    LiveGeneration,
    Prompt,
    Rewards,
    Sampling,
    Score,
    Trace,
    Used,
    run_in_token_time,
)
from ttscale.core.known_generation import KnownGeneration, head, piece
from ttscale.core.verdict import CORRECT, is_right


class Request(GenerationRequest):
    """Keeps every trace it is given."""

    def __init__(self, loop: Any, **fields: Any) -> None:
        settings = {name: fields.pop(name) for name in ("max_tokens",) if name in fields}
        sampling = Sampling(**settings)
        super().__init__(problem(), problem().prompt, sampling, "main", 0, 0, loop, **fields)
        self.traces: list[Trace] = []

    def finish(self, trace: Trace) -> None:
        self.traces.append(trace)


class Pieces(LiveGeneration):
    """A generation driven by the test; `ahead` tokens come too late to be stopped."""

    def __init__(self, request: Request, whole: Trace, ahead: int = 0) -> None:
        super().__init__(request)
        self.whole, self.ahead, self.made, self.stops = whole, ahead, 0, 0
        self.waiting = 0  # tokens that are made and have not been shown

    def make(self, tokens: int) -> None:
        begin, self.made = self.made, self.made + tokens
        self.show(piece(self.whole, begin, self.made), ended=self.made == self.whole.tokens)
        if self.made == self.whole.tokens:
            self.end(self.whole.finish)

    def seen(self, at: float | None = None) -> int:
        return self.made

    def _unread(self) -> Chunk | None:
        begin, self.made = self.made, self.made + self.waiting
        return piece(self.whole, begin, self.made) if self.waiting else None

    def _stop(self, finish: Finish) -> int:
        self.stops += 1
        return self.ahead

    def _trace(self, finish: Finish, kept: int) -> Trace:
        return head(self.whole, kept)


class After:
    """A stop rule: ends a trace after its n-th token."""

    def __init__(self, n: int) -> None:
        self.left = n

    def feed(self, chunk: Chunk) -> int | None:
        if chunk.tokens >= self.left:
            return self.left
        self.left -= chunk.tokens
        return None


WORDS = Trace("".join(f"w{i} " for i in range(10)), 10, ends=[3 * i + 3 for i in range(10)])


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


bounds = st.none() | st.integers(1, 12)


@given(cuts=st.lists(st.integers(1, 9)), rule=bounds, limit=bounds, cap=bounds)
def test_a_trace_does_not_depend_on_how_it_comes_in_pieces(cuts, rule, limit, cap):
    """Piece by piece, all at once, and known beforehand: the same text, length and finish."""
    assume(cap is None or cap != limit)  # at a tie it is whichever is noticed first
    loop = asyncio.new_event_loop()
    edges = sorted({0, 10, *cuts})
    wholes = [[b - a for a, b in itertools.pairwise(edges)], [10]]
    traces = []
    for sizes in wholes:
        request = Request(loop, rule=rule and After(rule), limit=limit)
        generation = Pieces(request, WORDS)
        if cap is not None:
            generation.cap(cap)
        for size in sizes:
            if not generation.finished:
                generation.make(size)
        (trace,) = request.traces
        kept = trace.tokens - trace.meta.get("past_end", 0)
        traces.append((trace.text, kept, trace.finish))
    known = Request(loop, rule=rule and After(rule), limit=limit)
    generation = KnownGeneration(known, WORDS)
    if cap is not None:
        generation.cap(cap)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    (trace,) = known.traces
    assert traces == [(trace.text, trace.tokens, trace.finish)] * 2


def test_tokens_past_a_cut_and_those_that_come_too_late_are_counted(loop):
    shown: list[Chunk] = []
    request = Request(loop, rule=After(3), on_chunk=shown.append)
    Pieces(request, WORDS, ahead=2).make(6)
    (trace,) = request.traces
    assert (trace.finish, trace.text, shown[0].text) == ("cut", "w0 w1 w2 ", "w0 w1 w2 ")
    assert (trace.tokens, trace.estimated, trace.meta) == (8, 2, {"past_end": 5})
    assert trace.ends == [3, 6, 9, *[9] * 5]


def test_it_finishes_once_whatever_is_asked_of_it_then(loop):
    request = Request(loop)
    generation = Pieces(request, WORDS)
    generation.make(4)
    generation.abort("cancelled")
    generation.abort("budget")
    generation.cap(1)
    generation.end("stop")
    assert [(t.finish, t.tokens) for t in request.traces] == [("cancelled", 4)]
    assert generation.stops == 1


def test_a_watcher_is_shown_what_was_made_before_an_abort_and_cannot_stop_it_again(loop):
    shown: list[str] = []

    def watch(chunk: Chunk) -> None:
        shown.append(chunk.text)
        generation.abort("cut")

    request = Request(loop, on_chunk=watch)
    generation = Pieces(request, WORDS)
    generation.waiting = 2
    generation.abort("cancelled")
    assert shown == ["w0 w1 "]
    assert [(t.finish, t.text) for t in request.traces] == [("cancelled", "w0 w1 ")]


def test_a_watcher_that_fails_while_a_sample_is_stopped_fails_it_and_it_ends(loop):
    def fail(chunk: Chunk) -> None:
        raise ValueError("a defect")

    request = Request(loop, on_chunk=fail)
    generation = Pieces(request, WORDS)
    generation.waiting = 2
    generation.abort("cancelled")
    (trace,) = request.traces
    assert (trace.finish, trace.tokens, str(trace.error)) == ("error", 2, "a defect")
    assert (generation.finished, generation.stops) == (True, 1)


@pytest.mark.parametrize("where", ["on_chunk", "progress"])
@pytest.mark.parametrize("in_token_time", [True, False])
def test_a_known_sample_fails_with_its_watcher_too(where, in_token_time):
    def fail(*args: Any) -> None:
        raise ValueError("a defect")

    async def ends() -> list[Trace]:
        watcher = {"on_chunk": lambda chunk: None, where: fail}
        request = Request(asyncio.get_running_loop(), **watcher)
        KnownGeneration(request, WORDS)
        await asyncio.sleep(WORDS.tokens + 1 if in_token_time else 0.01)
        return request.traces

    (trace,) = run_in_token_time(ends()) if in_token_time else asyncio.run(ends())
    assert (trace.finish, str(trace.error)) == ("error", "a defect")
    assert trace.tokens == (1 if in_token_time else WORDS.tokens)


def test_what_was_said_of_a_whole_trace_is_not_said_of_its_beginning():
    whole = Trace("w0 w1 w2 ", 3, ends=[3, 6, 9], estimated=3, reward=1.0, meta={CORRECT: True, "id": 7})
    begun = head(whole, 2)
    assert (begun.text, begun.tokens, begun.estimated, begun.reward) == ("w0 w1 ", 2, 2, None)
    assert begun.meta == {"id": 7}
    assert is_right(problem(), begun) is False
    assert is_right(problem(), whole) is True


@pytest.mark.parametrize("where", ["on_chunk", "progress", "rule"])
def test_a_sample_fails_with_whatever_looks_on(where, loop):
    def fail(*args: Any) -> Any:
        raise ValueError("a defect")

    class Rule:
        feed = fail

    request = Request(loop, **{where: Rule() if where == "rule" else fail})
    generation = Pieces(request, WORDS)
    generation.make(2)
    (trace,) = request.traces
    assert (trace.finish, trace.tokens, str(trace.error)) == ("error", 2, "a defect")
    assert generation.stops == 1


def test_progress_may_end_a_sample_before_a_rule_does(loop):
    request = Request(loop, rule=After(2), progress=lambda: generation.abort("budget"))
    generation = Pieces(request, WORDS)
    generation.make(2)
    assert [t.finish for t in request.traces] == ["budget"]


def test_a_cap_that_is_passed_already_cuts_at_once_and_the_tightest_stays(loop):
    request = Request(loop)
    generation = Pieces(request, WORDS)
    generation.make(5)
    generation.cap(7)
    generation.cap(9)
    generation.make(2)
    late = Request(loop)
    other = Pieces(late, WORDS)
    other.make(5)
    other.cap(3)
    assert [(r.traces[0].text, r.traces[0].finish) for r in (request, late)] == [
        (WORDS.text[:21], "cut"),
        (WORDS.text[:9], "cut"),
    ]


@pytest.mark.parametrize(
    ("limit", "max_tokens", "room", "most"),
    [
        (None, None, None, (None, "length")),
        (4, None, None, (4, "budget")),
        (4, 4, None, (4, "length")),
        (4, 3, None, (3, "length")),
        (4, 9, 2, (2, "length")),
        (4, 9, 5, (4, "budget")),
    ],
)
def test_the_tightest_bound_says_how_a_sample_ends(limit, max_tokens, room, most, loop):
    assert Request(loop, limit=limit, max_tokens=max_tokens).most(room) == most


# -- wrappers


class Full:
    """An engine that can do everything."""

    name = "full"
    time: Literal["wall", "tokens"] = "tokens"
    capabilities = frozenset({"text", "score"})

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def open(self) -> None:
        self.told.append("open")

    async def close(self) -> None:
        self.told.append("close")

    def start(self, request: GenerationRequest) -> Generation:
        self.told.append(request)
        return KnownGeneration(request, WORDS)

    async def score(self, prompt: Prompt, text: str) -> Score:
        return Score(prompt.key + text, 1)  # type: ignore[arg-type]

    async def reward(self, problem: Any, traces: Any) -> Rewards:
        return Rewards([problem, traces], 1)

    async def embed(self, texts: Any) -> Embeddings:
        return Embeddings(texts, 1)

    async def use(self, request: Any) -> Used:
        return Used(request)

    def pool_size(self, problem: Any, prompt: Any, role: str) -> int:
        return 7


def test_a_wrapped_engine_is_that_engine_in_everything():
    full, ask = Full(), problem()

    async def main() -> None:
        wrapper = EngineWrapper(full)
        request = Request(asyncio.get_running_loop())
        assert (wrapper.name, wrapper.time) == ("full", "tokens")
        assert wrapper.capabilities == full.capabilities
        await wrapper.open()
        assert wrapper.start(request).request is request
        assert (await wrapper.score(ask.prompt, "x")).logprobs == ask.prompt.key + "x"
        assert (await wrapper.reward(ask, [WORDS])).values == [ask, [WORDS]]
        assert (await wrapper.embed(["a"])).vectors == ["a"]
        assert (await wrapper.use("x")).result == "x"
        assert wrapper.pool_size(ask, ask.prompt, "main") == 7
        await wrapper.close()
        assert full.told == ["open", request, "close"]

    asyncio.run(main())


def test_a_wrapped_engine_without_a_pool_never_runs_dry():
    endless: Any = type("Endless", (), {"name": "endless"})()
    assert EngineWrapper(endless).pool_size(problem(), problem().prompt, "main") is None
