"""Live traces, races and stop rules."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fakes import Scripted, Ticking, answer, said
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import Chunk, Outcome, Prompt, Trace
from ttscale.core.known_generation import head, piece

words = st.lists(st.text("abc ", min_size=0, max_size=4), min_size=1, max_size=20)


def script(parts: list[str], **fields) -> Trace:
    ends = np.cumsum([len(p) for p in parts]).tolist()
    conf = np.arange(len(parts), dtype=np.float32)
    return Trace("".join(parts), len(parts), ends=ends, conf=conf, logprobs=-conf, **fields)


@pytest.mark.parametrize("engine", [Scripted, Ticking])
@given(parts=words)
def test_the_chunks_of_a_live_trace_are_its_text_tokens_and_confidences(engine, parts):
    seen: list[Chunk] = []

    async def fn(p, ctx, cfg):
        async with ctx.stream(p.prompt) as live:
            async for chunk in live:
                seen.append(chunk)
        assert live.trace is not None
        return Outcome("x", live.trace)

    seen.clear()
    outcome = answer(engine([script(parts)]), fn)
    assert "".join(c.text for c in seen) == outcome.winner.text == "".join(parts)
    assert sum(c.tokens for c in seen) == outcome.winner.tokens == len(parts)
    assert np.concatenate([c.conf for c in seen]).tolist() == outcome.winner.conf.tolist()
    assert outcome.usage.sequential_tokens == len(parts)


@pytest.mark.parametrize("engine", [Scripted, Ticking])
@given(parts=words, after=st.integers(1, 25))
def test_leaving_a_live_trace_cuts_it_there(engine, parts, after):
    async def fn(p, ctx, cfg):
        seen = 0
        async with ctx.stream(p.prompt) as live:
            async for chunk in live:
                seen += chunk.tokens
                if seen >= after:
                    break
        return Outcome("x", live.trace)

    outcome = answer(engine([script(parts)]), fn)
    kept = min(after, len(parts))
    assert outcome.winner.tokens == outcome.usage.completion_tokens == kept
    assert outcome.winner.text == "".join(parts[:kept])
    assert outcome.winner.finish == ("stop" if kept == len(parts) else "cut")
    assert outcome.usage.sequential_tokens == kept


def test_an_error_inside_the_block_cancels_the_live_trace():
    engine = Ticking([script(["a"] * 50)])

    async def fn(p, ctx, cfg):
        async with ctx.stream(p.prompt) as live:
            async for _ in live:
                raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        answer(engine, fn)
    assert engine.generated == 1


class Below:
    """Ends a trace at the first token whose running sum of confidences exceeds a limit."""

    def __init__(self, limit: float) -> None:
        self.limit, self.total = limit, 0.0

    def feed(self, chunk: Chunk) -> int | None:
        for i, value in enumerate(chunk.conf):
            self.total += float(value)
            if self.total > self.limit:
                return i + 1
        return None


@given(parts=words, limit=st.floats(0, 100), cuts=st.lists(st.integers(0, 20)))
def test_a_stop_rule_decides_alike_however_the_trace_is_chunked(parts, limit, cuts):
    whole = script(parts)
    edges = sorted({0, len(parts), *(c for c in cuts if c < len(parts))})
    rule, kept = Below(limit), None
    for begin, end in itertools.pairwise(edges):
        found = rule.feed(piece(whole, begin, end))
        if found is not None:
            kept = begin + found
            break
    assert kept == Below(limit).feed(piece(whole, 0, len(parts)))


@given(parts=words, limit=st.floats(0, 100))
def test_a_rule_ends_a_recorded_and_a_generated_trace_at_the_same_token(parts, limit):
    async def fn(p, ctx, cfg):
        return Outcome("x", await ctx.sample(p.prompt, until=lambda: Below(limit)))

    known, generated = (answer(e([script(parts)]), fn) for e in (Scripted, Ticking))
    assert known.winner.tokens == generated.winner.tokens
    assert known.winner.text == generated.winner.text
    expected = Below(limit).feed(piece(script(parts), 0, len(parts)))
    assert known.winner.tokens == (expected or len(parts))
    assert (known.winner.finish == "cut") == (expected is not None)
    assert known.usage.cut_tokens == (expected or 0)


@given(parts=words, tokens=st.integers(0, 20))
def test_the_head_of_a_trace_is_its_first_tokens(parts, tokens):
    tokens = min(tokens, len(parts))
    part = head(script(parts, answer="a", reward=1.0), tokens)
    assert (part.text, part.tokens) == ("".join(parts[:tokens]), tokens)
    assert len(part.conf) == len(part.logprobs) == len(part.ends) == tokens
    assert (part.answer, part.reward) == (None, None)  # those of the whole, not of its head


def test_a_recording_stopped_early_is_censored_and_abstains():
    async def fn(p, ctx, cfg):
        trace = await ctx.sample(p.prompt)
        return Outcome(p.answer(trace), trace)

    for finish in ("cut", "cancelled", "budget", "censored"):
        outcome = answer(Scripted([said("A", 10, finish=finish)]), fn)
        assert (outcome.answer, outcome.winner.finish) == (None, "censored")


def test_a_limit_or_rule_before_the_censored_end_is_met_as_ever():
    async def limited(p, ctx, cfg):
        return Outcome("x", await ctx.sample(p.prompt, max_tokens=3))

    async def ruled(p, ctx, cfg):
        return Outcome("x", await ctx.sample(p.prompt, until=lambda: Below(2.0)))

    recorded = script(["a"] * 9, finish="cancelled")
    assert answer(Scripted([recorded]), limited).winner.finish == "length"
    assert answer(Scripted([recorded]), ruled).winner.finish == "cut"


class TestRaces:
    def race(self, act, lengths=(30, 10, 20), engine=Ticking):
        made = engine([said(f"{n}", n, ends=None) for n in lengths])

        async def fn(p, ctx, cfg):
            async with ctx.as_finished(p.prompt, len(lengths)) as race:
                return await act(race, ctx)

        return answer(made, fn), made

    @pytest.mark.parametrize("engine", [Scripted, Ticking])
    def test_traces_arrive_as_they_finish_and_ties_as_they_started(self, engine):
        async def all_(race, ctx):
            return Outcome(",".join([f"{t.index}" async for t in race]))

        assert self.race(all_, (30, 10, 20, 10), engine)[0].answer == "1,3,2,0"

    def test_stop_keeps_the_unfinished_and_all_join_the_chain(self):
        async def stop(race, ctx):
            first = await race.__anext__()
            parts = race.stop()
            assert [(t.index, t.tokens, t.finish) for t in parts] == [(0, 10, "cut"), (2, 10, "cut")]
            assert race.under_way == 0
            assert [t async for t in race] == []
            return Outcome("x", first)

        outcome, engine = self.race(stop)
        assert engine.generated == outcome.usage.completion_tokens == 30
        assert (outcome.usage.cut_tokens, outcome.usage.cancelled_tokens) == (20, 0)

    @pytest.mark.parametrize("engine", [Scripted, Ticking])
    def test_cap_cuts_those_beyond_at_once_and_the_others_there(self, engine):
        async def cap(race, ctx):
            await race.__anext__()
            race.cap(15)
            got = [(t.index, t.tokens, t.finish, t.ended) async for t in race]
            assert got == [(0, 15, "cut", 15.0), (2, 15, "cut", 15.0)]
            return Outcome("x")

        assert self.race(cap, engine=engine)[0].usage.completion_tokens == 40

    def test_more_draws_can_join(self):
        async def join(race, ctx):
            got = [(await race.__anext__()).tokens]
            race.start(ctx.sample_request(Prompt.user("more")))
            got += [t.tokens async for t in race]
            return Outcome(str(got))

        made = Ticking([said("a", 30), said("b", 10), said("c", 5)])

        async def fn(p, ctx, cfg):
            async with ctx.as_finished(p.prompt, 2) as race:
                return await join(race, ctx)

        assert answer(made, fn).answer == "[10, 5, 30]"
