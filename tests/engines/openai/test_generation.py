"""Samples that are stopped: at once, once, and with everything that was generated accounted for."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest
from aiohttp import web
from engines.fake_server import CHAT, PROBLEM, QUICK, elsewhere, event, hang, opened, refuse, said, stream
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.core import Budget, CapabilityError, Card, Chunk, Method, Outcome, Problem, Prompt, Run, execute
from ttscale.core.execution.context import Context
from ttscale.engines.openai.dialect import Dialect
from ttscale.engines.openai.engine import OpenAIHTTP
from ttscale.engines.synthetic import Synthetic, binary
from ttscale.methods.registry import parse

COUNTING = Dialect(capabilities=CHAT.capabilities, counting="usage")
LONG = [f"w{i} " for i in range(200)]
ENDLESS = stream(said(*LONG, counting=True, finish=None), pause=0.01)


class After:
    """A stop rule: ends a trace after its n-th token."""

    def __init__(self, n: int) -> None:
        self.left = n

    def feed(self, chunk: Chunk) -> int | None:
        if chunk.tokens >= self.left:
            return self.left
        self.left -= chunk.tokens
        return None


async def until(generation: Any, tokens: int) -> None:
    """Wait until a generation has seen so many tokens, on however busy a machine."""
    while generation.seen() < tokens:  # noqa: ASYNC110 - generations tell nobody
        await asyncio.sleep(0.01)


async def test_abort_lands_at_once_and_only_once_and_the_server_hears_of_it(desk: Any) -> None:
    async with desk(ENDLESS, dialect=COUNTING) as d:
        generation, ask = d.start()
        await until(generation, 4)
        generation.abort("cancelled")
        (trace,) = ask.traces  # finished before abort returned
        seen = generation.seen()  # what had arrived meanwhile is among them
        generation.abort("cut")
        generation.cap(1)
        await asyncio.sleep(0.1)
        assert len(ask.traces) == 1
        assert d.server.left == 1
    assert (trace.finish, trace.tokens, trace.estimated) == ("cancelled", seen + 1, 1)
    assert trace.text == "".join(LONG[:seen])
    assert trace.prompt_tokens == 7
    assert trace.ends is not None
    assert len(trace.ends) == trace.tokens


async def test_a_draw_whose_task_is_cancelled_by_somebody_else_lands_too(desk: Any) -> None:
    """A loop that ends cancels every task, in no order; the method then aborts its samples."""
    async with desk(ENDLESS, dialect=COUNTING) as d:
        generation, ask = d.start()
        await until(generation, 4)
        generation.task.cancel()
        trace = await asyncio.wait_for(ask.done, 5)
        generation.abort("cancelled")
        generation.cap(1)
        assert len(ask.traces) == 1
    assert (trace.finish, trace.estimated) == ("cancelled", 1)
    assert trace.tokens > 4


async def test_what_waits_in_the_clients_buffer_is_counted(desk: Any) -> None:
    """The reader is woken by a packet, but the abort comes before it runs."""
    async with desk(ENDLESS, dialect=COUNTING) as d:
        watched: list[Chunk] = []
        generation, ask = d.start(on_chunk=watched.append)
        await asyncio.sleep(0.1)
        time.sleep(0.1)  # noqa: ASYNC251 - packets pile up while nobody reads
        shown: list[int] = []

        def stop() -> None:
            shown.append(generation.seen())
            generation.abort("cancelled")

        asyncio.get_running_loop().call_soon(stop)
        await ask.done
    trace = ask.traces[0]
    assert sum(c.tokens for c in watched) == trace.tokens - trace.estimated
    assert "".join(c.text for c in watched) == trace.text


async def test_abort_before_anything_was_said_costs_nothing(desk: Any) -> None:
    async with desk(hang) as d:
        generation, ask = d.start()
        generation.abort("cancelled")
        await asyncio.sleep(0.05)
        assert d.server.requests == []
        later, waiting = d.start(index=1)
        await asyncio.sleep(0.05)
        later.abort("cancelled")
        assert [ask.traces[0].tokens, waiting.traces[0].tokens] == [0, 0]


async def test_a_stop_rule_cuts_text_and_tokens_past_it_are_counted(desk: Any) -> None:
    packet = b"".join(said(*LONG[:10], counting=True, finish=None))
    async with desk(stream([packet], then="hang"), dialect=COUNTING) as d:
        trace = await d.sample(rule=After(4))
    assert (trace.finish, trace.text) == ("cut", "".join(LONG[:4]))
    assert (trace.tokens, trace.estimated, trace.meta["past_end"]) == (11, 1, 7)


async def test_a_limit_is_the_servers_and_ends_as_a_budget(desk: Any) -> None:
    async with desk(stream(said("a", "b", finish="length", usage=2))) as d:
        trace = await d.sample(limit=2, sampling={"max_tokens": 9})
        assert d.server.requests[0][1]["max_tokens"] == 2
        own = await d.sample(limit=9, sampling={"max_tokens": 2})
        none = await d.sample(limit=0)
        assert len(d.server.requests) == 2
    assert (trace.finish, own.finish) == ("budget", "length")
    assert (none.finish, none.tokens) == ("budget", 0)


async def test_a_server_that_ignores_the_limit_is_stopped(desk: Any) -> None:
    async with desk(ENDLESS, dialect=COUNTING) as d:
        trace = await d.sample(limit=5)
    assert (trace.finish, trace.text) == ("budget", "".join(LONG[:5]))


async def test_a_cap_cuts_now_or_later(desk: Any) -> None:
    async with desk(ENDLESS, dialect=COUNTING) as d:
        generation, ask = d.start()
        generation.cap(8)
        generation.cap(50)  # the tighter one stays
        trace = await ask.done
        generation, ask = d.start(index=1)
        await until(generation, 3)
        generation.cap(2)
        assert ask.traces[0].text == "".join(LONG[:2])
        generation, ask = d.start(index=2)
        await until(generation, 3)  # nobody has looked at these
        generation.cap(8)
        late = await ask.done
    assert (trace.finish, trace.text) == (late.finish, late.text) == ("cut", "".join(LONG[:8]))


async def test_progress_may_stop_its_own_draw(desk: Any) -> None:
    async with desk(ENDLESS, dialect=COUNTING) as d:
        generations: list[Any] = []

        def progress() -> None:
            if generations[0].seen() >= 3:
                generations[0].abort("budget")

        generation, ask = d.start(progress=progress)
        generations.append(generation)
        trace = await ask.done
        assert (trace.finish, len(ask.traces)) == ("budget", 1)
        assert trace.tokens in (4, 5)


async def test_more_draws_than_may_run_at_a_time_queue(desk: Any) -> None:
    play = stream(said("a", usage=1), pause=0.01)
    async with desk(play, concurrency=2) as d:
        asks = [d.start(index=i)[1] for i in range(9)]
        generation, unwanted = d.start(index=9)
        generation.abort("cancelled")
        traces = [await a.done for a in asks]
        assert d.server.most_busy == 2
        assert len(d.server.requests) == 9
    assert {t.text for t in traces} == {"a"}
    assert unwanted.traces[0].tokens == 0


async def test_closing_the_engine_lands_what_is_under_way(desk: Any) -> None:
    async with desk(ENDLESS, dialect=COUNTING) as d:
        asks = [d.start(index=i)[1] for i in range(3)]
        await asyncio.sleep(0.1)
        await d.engine.close()
        assert [a.traces[0].finish for a in asks] == ["cancelled"] * 3
        await d.engine.open()  # and it can be opened again


async def test_connections_are_used_again(desk: Any) -> None:
    peers = set()
    async with desk(stream(said("a", usage=1))) as d:
        fine = d.server.plays[0]

        async def play(request: Any, body: Any) -> Any:
            peers.add(request.transport.get_extra_info("peername"))
            return await fine(request, body)

        d.server.plays = [play]
        for i in range(5):
            await d.sample(index=i)
            await asyncio.sleep(0.01)
    assert len(peers) == 1


async def test_thinking_that_the_server_takes_out_is_put_back(desk: Any) -> None:
    def delta(**fields: str) -> dict[str, Any]:
        return {"choices": [{"delta": fields}]}

    thoughtful = [
        *(event(**delta(reasoning_content=t)) for t in ("Hm", "m.")),
        *(event(**delta(content=t)) for t in ("4", "2")),
        *said(finish="stop"),
    ]
    async with desk(stream(thoughtful)) as d:
        trace = await d.sample()
        begun = await d.sample(prompt=PROBLEM.prompt.then("<think>Let me see. "))
    assert trace.text == "<think>Hmm.</think>42"
    assert (trace.thinking, trace.answer_text) == ("Hmm.", "42")
    assert begun.text == "Hmm.</think>42"


async def test_tool_calls_are_put_together_from_their_pieces(desk: Any) -> None:
    pieces = [
        {"index": 0, "id": "c1", "function": {"name": "add", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a": 2, '}},
        {"index": 1, "id": "c2", "function": {"name": "stop", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": '"b": 2}'}},
    ]
    events = [event(choices=[{"delta": {"tool_calls": [p]}}]) for p in pieces]
    async with desk(stream([*events, *said(finish="tool_calls", usage=9)])) as d:
        trace = await d.sample()
    assert (trace.finish, trace.tokens) == ("stop", 9)
    called = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in trace.tool_calls]
    assert called == [("c1", "add", '{"a": 2, "b": 2}'), ("c2", "stop", "{}")]


async def test_what_the_server_cannot_do_is_refused_before_it_is_asked(desk: Any) -> None:
    async with desk(refuse(500), dialect=Dialect()) as d:
        with pytest.raises(CapabilityError, match="log-probabilities"):
            await d.sample(sampling={"logprobs": 5})
        with pytest.raises(CapabilityError, match="does not continue"):
            await d.sample(prompt=PROBLEM.prompt.then("So "))
        assert d.server.requests == []


async def test_a_raw_prompt_goes_to_completions_with_its_prefix(desk: Any) -> None:
    columns = {"tokens": [" 4"], "token_logprobs": [-1.0], "top_logprobs": [{" 4": -1, " 5": -3}]}
    piece = event(choices=[{"text": " 4", "logprobs": columns, "finish_reason": "length"}])
    async with desk(stream([piece, b"data: [DONE]\n\n"])) as d:
        trace = await d.sample(prompt=Prompt(raw="2 + 2").then(" ="), sampling={"logprobs": 2})
        path, body, _ = d.server.requests[0]
    assert (path, body["prompt"], body["logprobs"]) == ("/v1/completions", "2 + 2 =", 2)
    assert (trace.text, trace.tokens, trace.finish) == (" 4", 1, "length")
    assert trace.conf is not None
    assert list(trace.conf) == [2.0]


def test_a_live_judge_in_token_time_waits_and_retries_in_real_time() -> None:
    """The token clock stands still while a request is open, also while it waits for a retry."""
    with elsewhere(refuse(500), stream(said("yes", usage=2), pause=0.02)) as url:
        judge = OpenAIHTTP("m", url, retry=QUICK, dialect=CHAT)
        run = Run({"main": Synthetic(binary(1.0)), "judge": judge})

        async def judged(problem: Problem, ctx: Context, cfg: None) -> Outcome:
            drawn = await ctx.sample(problem.prompt)
            verdict = await ctx.sample(Prompt.user("Is it right?"), "judge")
            return Outcome(verdict.text, verdict, str(run.loop.time() - drawn.tokens))

        card = Card(name="judged", title="Judged", what="sequential", stops="judged")
        method = Method(card, judged, type(None))
        outcome = execute(run, lambda: run.answer(method.bind(None), PROBLEM))
    assert outcome.winner is not None
    assert (outcome.answer, outcome.winner.meta["retries"]) == ("yes", 1)
    assert outcome.stopped_by == "0.0", "ticks passed while the judge was asked"


@settings(max_examples=40)
@given(
    cuts=st.lists(st.integers(1, 3000), max_size=30),
    rule=st.none() | st.integers(1, 12),
    counting=st.booleans(),
    logprobs=st.none() | st.integers(1, 3),
    newline=st.sampled_from([b"\n", b"\r\n"]),
)
def test_how_a_stream_is_cut_into_packets_never_changes_the_trace(
    cuts: list[int], rule: int | None, counting: bool, logprobs: int | None, newline: bytes
) -> None:
    pieces = ["Zwölf", " 🂡", "\n\n", "data: ", "", "é", " x", "数", "!", "\r\n"]
    events = said(*pieces, usage=len(pieces) + 1, counting=counting, logprobs=logprobs)
    whole = b"".join(events).replace(b"\n", newline)
    edges = sorted({0, len(whole), *(c % len(whole) for c in cuts)})
    packets = [whole[a:b] for a, b in itertools.pairwise(edges)]

    async def both() -> list[Any]:
        traces = []
        for packed in ([whole], packets):
            async with opened(stream(packed, pause=0.0005), dialect=COUNTING) as d:
                sampling = {} if logprobs is None else {"logprobs": logprobs}
                stopper = None if rule is None else After(rule)
                traces.append(await d.sample(rule=stopper, sampling=sampling))
        return traces

    one, many = asyncio.run(both())
    assert (one.text, one.finish) == (many.text, many.finish)
    assert one.tokens - one.meta.get("past_end", 0) == many.tokens - many.meta.get("past_end", 0)
    assert (one.prompt_tokens is None) == (many.prompt_tokens is None) or rule is not None
    for name in ("logprobs", "conf"):
        left, right = getattr(one, name), getattr(many, name)
        assert (left is None) == (right is None)
        assert left is None or left.tolist() == right.tolist()


@pytest.mark.parametrize(("tokens", "told"), [(100, [100, 70, 40, 10]), (3000, [3000, 2970, 2940, 2910])])
async def test_a_server_is_told_what_is_left_when_a_sample_gets_its_turn(
    desk: Any, tokens: int, told: list[int]
) -> None:
    """Not what was left as it was asked for: the server goes on while its client gets no processor."""

    async def play(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        made = min(30, body["max_tokens"])
        finish = "stop" if made == 30 else "length"
        return await stream(said(*"a" * made, finish=finish, usage=made))(request, body)

    async with desk(play, dialect=Dialect.declared("llamacpp", ()), concurrency=1) as d:
        run = Run({"main": d.engine})
        outcome = await run.answer(parse("sc(n=4)"), PROBLEM, budget=Budget(tokens=tokens))
        assert [body["max_tokens"] for _, body, _ in d.server.requests] == told
        assert outcome.usage.tokens <= tokens
