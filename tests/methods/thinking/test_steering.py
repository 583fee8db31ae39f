"""Steering: a reply that is looked at, ended early, added to, and gone on with."""

from __future__ import annotations

import pytest
from fakes import Scripted, Ticking, answer, problem

from ttscale.core import CapabilityError, Chunk, EngineError, GenerationRequest, Outcome, Trace
from ttscale.core.cards import roles
from ttscale.methods.thinking.steering import SteeredReply


def written(words: list[str], **fields) -> Trace:
    """A trace in which every word is a token."""
    ends = [sum(map(len, words[: n + 1])) for n in range(len(words))]
    return Trace("".join(words), len(words), ends=ends, **fields)


def counting(call: GenerationRequest) -> Trace:
    """Thinks ten words; with its thinking ended, it answers."""
    if "</think>" in call.prompt.prefix:
        return written(["\n\n", "\\boxed{right}"])
    return written([f"w{n} " for n in range(10)] + ["</think>", "\n\n", "\\boxed{wrong}"])


@pytest.mark.parametrize("make", [Scripted, Ticking])
def test_a_reply_that_is_cut_and_added_to_goes_on_from_there(make):
    seen: list[str] = []

    def third(chunk: Chunk) -> bool:
        seen.append(chunk.text)
        return len(seen) == 3

    async def method(problem, ctx, cfg):
        reply = SteeredReply(problem.prompt, "<think>\n")
        assert reply.thinking
        part = await reply.extend(ctx, third)
        assert (part.finish, part.tokens) == ("cut", 3)
        assert reply.thinking
        reply.append("Enough.", gap="\n\n")
        reply.end_thinking(cue="Answer:")
        assert not reply.thinking
        await reply.extend(ctx)
        whole = reply.whole()
        return Outcome(problem.answer(whole), whole, "done")

    engine = make(counting)
    outcome = answer(engine, method)
    assert seen == ["w0 ", "w1 ", "w2 "]
    assert engine.calls[1].prompt.prefix == "<think>\nw0 w1 w2\n\nEnough.\n</think>\n\nAnswer:"
    assert outcome.answer == "right"
    assert outcome.winner is not None
    assert outcome.winner.text == engine.calls[1].prompt.prefix + "\n\n\\boxed{right}"
    assert outcome.winner.tokens == outcome.usage.completion_tokens == 3 + 2
    assert outcome.usage.sequential_tokens == 5


def test_a_reply_that_is_never_ended_is_the_plain_sample():
    plain: list[Trace] = []

    async def method(problem, ctx, cfg):
        plain.append(await ctx.sample(problem.prompt))
        reply = SteeredReply(problem.prompt)
        await reply.extend(ctx, lambda chunk: False)
        return Outcome(None, reply.whole(), "done")

    engine = Ticking(counting)
    outcome = answer(engine, method)
    assert outcome.winner is not None
    assert (outcome.winner.text, outcome.winner.tokens) == (plain[0].text, plain[0].tokens)
    assert engine.calls[0].prompt == engine.calls[1].prompt


def test_a_part_that_fails_is_in_the_whole_and_keeps_what_was_written():
    async def method(problem, ctx, cfg):
        reply = SteeredReply(problem.prompt, "<think>\n")
        await reply.extend(ctx, max_tokens=2)
        await reply.extend(ctx)
        return Outcome(None, reply.whole(), reply.parts[-1].finish)

    outcome = answer(Scripted([written(["a ", "b ", "c"]), EngineError("down")]), method)
    assert (outcome.stopped_by, outcome.usage.completion_tokens) == ("error", 2)
    assert outcome.winner is not None
    assert outcome.winner.text == "<think>\na b "


def test_a_steer_that_raises_ends_the_sample():
    async def method(problem, ctx, cfg):
        def broken(chunk: Chunk) -> bool:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await SteeredReply(problem.prompt).extend(ctx, broken)
        return Outcome(None, None, "done")

    engine = Ticking(counting)
    answer(engine, method)
    assert engine.generated == 1
    assert engine.generations[0].finished


def test_the_end_of_thinking_stands_on_a_line_of_its_own():
    ended = []
    for text in ("<think>\na", "<think>\na\n", "<think>\n"):
        reply = SteeredReply(problem().prompt, text)
        reply.end_thinking()
        ended.append(reply.text)
    assert ended == ["<think>\na\n</think>", "<think>\na\n</think>", "<think>\n</think>"]


def test_an_engine_that_cannot_continue_a_prefix_is_refused():
    from fakes import method_of

    async def never(problem, ctx, cfg):
        raise AssertionError

    engine = Scripted(counting, capabilities=("text",))
    with pytest.raises(CapabilityError, match="prefix"):
        answer(engine, method_of(never, needs={"main": roles.answers("text", "prefix")}))
    assert not engine.calls
