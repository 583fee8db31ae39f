"""Budget forcing on a scripted model that continues prefixes, token by token."""

from __future__ import annotations

import pytest
from fakes import Scripted, answer, said
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import EngineError, GenerationRequest, Sampling, Trace, UsageError
from ttscale.methods.thinking.budget_forcing import Config, budget_forcing

END = "</think>"


def thinker(natural: int, more: int = 5):
    """A model that thinks `natural` words, `more` after every "Wait", and then answers. Every word,
    the end marker included, is a token."""

    def course(call: GenerationRequest) -> Trace:
        prefix = call.prompt.prefix
        words: list[str] = []
        if END not in prefix:
            said_before = prefix.count("hm")
            wanted = natural + more * prefix.count("Wait")
            words += [" hm"] * max(0, wanted - said_before)
            words[-1:] = [" hm\n"] if words else []
            if END in call.sampling.stop:
                # the marker is generated but not shown
                text = "".join(words)
                return Trace(text, len(words) + 1, ends=_ends([*words, ""]))
            words.append(END)
        words += ["The answer ", "is ", "\\boxed{right}"]
        return Trace("".join(words), len(words), ends=_ends(words))

    return Scripted(course)


def _ends(words: list[str]) -> list[int]:
    ends, total = [], 0
    for word in words:
        total += len(word)
        ends.append(total)
    return ends


@given(natural=st.integers(1, 60), limit=st.integers(1, 80), n_ignore=st.integers(0, 6))
def test_the_limit_holds_to_the_token_and_the_answer_is_always_reached(natural, limit, n_ignore):
    """Control is 100% for maxima: no run thinks longer than allowed."""
    engine = thinker(natural)
    outcome = answer(engine, budget_forcing, Config(max_thinking=limit, n_ignore=n_ignore))
    thinking = outcome.traces[:-1]
    assert sum(t.tokens for t in thinking) == outcome.extra["thinking_tokens"] <= limit
    assert outcome.answer == "right"
    assert outcome.winner is not None
    assert outcome.winner.text.count(END) == 1
    assert outcome.winner.tokens == outcome.usage.completion_tokens
    assert outcome.usage.sequential_tokens == outcome.usage.completion_tokens
    # one more token than the words: the marker
    wanted = natural + 5 * n_ignore + (n_ignore + 1)
    if wanted >= limit:
        assert outcome.stopped_by == "max_thinking"
        assert outcome.extra["thinking_tokens"] == limit
        assert "Final Answer:" in outcome.winner.text
    else:
        assert outcome.stopped_by == "thinking_ended"
        assert outcome.extra["thinking_tokens"] == wanted
        assert "Final Answer:" not in outcome.winner.text


@pytest.mark.parametrize("n_ignore", [1, 2, 4, 6])
def test_an_early_end_is_ignored_so_often_and_the_marker_is_never_emitted_meanwhile(n_ignore):
    engine = thinker(10)
    outcome = answer(engine, budget_forcing, Config(n_ignore=n_ignore))
    assert len(outcome.traces) == n_ignore + 2
    assert outcome.extra["ignored"] == n_ignore
    for call in engine.calls[:-1]:
        assert END not in call.prompt.prefix
    assert [c.prompt.prefix.count("Wait") for c in engine.calls[:-1]] == list(range(n_ignore + 1))
    assert outcome.winner is not None
    assert outcome.winner.text.count("Wait") == n_ignore
    assert outcome.winner.text.count("hm") == 10 + 5 * n_ignore
    assert outcome.answer == "right"


def test_nothing_ignored_and_no_limit_reached_is_plain_decoding():
    plain = thinker(10).script(_plain())
    outcome = answer(thinker(10), budget_forcing, Config(opening="", max_thinking=10_000))
    assert outcome.winner is not None
    assert outcome.winner.text == plain.text
    assert outcome.usage.completion_tokens == plain.tokens


def _plain() -> GenerationRequest:
    calls = []

    async def once(problem, ctx, cfg):
        from ttscale.core import Outcome

        calls.append(await ctx.sample(problem.prompt))
        return Outcome(None)

    engine = thinker(10)
    answer(engine, once)
    return engine.calls[0]


def test_greedy_is_the_default_and_the_user_cannot_undo_the_phases():
    engine = thinker(10)
    answer(
        engine,
        budget_forcing,
        Config(max_thinking=7),
        request=Sampling(temperature=0.9, max_tokens=1000, stop=("!",)),
    )
    first, last = engine.calls
    assert first.sampling.temperature == last.sampling.temperature == 0.0
    assert first.sampling.max_tokens == 7
    assert first.sampling.stop == (END, "!")
    assert last.sampling.max_tokens == 1000


@pytest.mark.parametrize("wait", ["", "Hmm", "Alternatively"])
def test_other_words_than_wait_can_be_put_in_its_place(wait):
    script = [said(None, 5), said(None, 5), said("A", 3)]
    engine = Scripted(script)
    assert answer(engine, budget_forcing, Config(n_ignore=1, wait=wait)).answer == "A"
    assert engine.calls[1].prompt.prefix.endswith("\n" + wait)


def test_a_phrase_can_stand_for_think_tags():
    engine = Scripted([said(None, 5), said("A", 3)])
    answer(engine, budget_forcing, Config(opening="", end="Final Answer"))
    assert engine.calls[0].sampling.stop == ("Final Answer",)
    assert engine.calls[1].prompt.prefix.endswith("\nFinal Answer")


def test_thinking_that_fails_is_no_answer():
    outcome = answer(Scripted([EngineError("down")]), budget_forcing, Config())
    assert (outcome.answer, outcome.stopped_by) == (None, "error")
    assert outcome.error is not None


@pytest.mark.parametrize("bad", [{"max_thinking": 0}, {"n_ignore": -1}, {"answer_tokens": 1.5}])
def test_impossible_limits_are_refused(bad):
    with pytest.raises(UsageError, match=next(iter(bad))):
        Config(**bad)
