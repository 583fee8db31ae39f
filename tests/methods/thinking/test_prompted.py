"""Methods that only ask otherwise: chain of draft and re-reading."""

from __future__ import annotations

from fakes import Boxed, Scripted, answer, said

from ttscale.core import Message, Problem, Prompt
from ttscale.methods.registry import parse

CONVERSATION = Prompt(
    (
        Message("system", "Be brief."),
        Message("user", "Hello"),
        Message("assistant", "Hi"),
        Message("user", "7*8?"),
    )
)


def asked(spec: str, prompt: Prompt = CONVERSATION):  # type: ignore[no-untyped-def]
    engine = Scripted(lambda call: said("56"), capabilities=("text",))
    chosen = parse(spec)
    outcome = answer(engine, chosen.method, chosen.cfg, of=Problem("q", prompt, Boxed(), "56"))
    return outcome, [call.prompt for call in engine.calls]


def test_the_question_is_read_twice_in_one_turn_of_the_same_conversation() -> None:
    outcome, (prompt,) = asked("re2")
    assert prompt.messages[:3] == CONVERSATION.messages[:3]
    assert prompt.text == "7*8?\n\nRead the question again: 7*8?"
    assert outcome.answer == "56"


def test_drafts_are_asked_for_after_the_question_in_as_many_words_as_set() -> None:
    _, (prompt,) = asked("chain-of-draft(words=3)")
    assert prompt.messages[:3] == CONVERSATION.messages[:3]
    assert prompt.text.startswith("7*8?\n\n")
    assert "3 words at most" in prompt.text


def test_braces_of_a_question_stay_as_they_are() -> None:
    _, (prompt,) = asked("re2", Prompt.user("What is \\frac{1}{2} of {x}?"))
    assert prompt.text.count("What is \\frac{1}{2} of {x}?") == 2


def test_without_their_words_both_are_plain_decoding() -> None:
    plain, plain_prompts = asked("simple")
    for spec in ("chain-of-draft(templates={'draft': ''})", "re2(templates={'again': ''})"):
        outcome, prompts = asked(spec)
        assert (outcome.answer, outcome.traces, prompts) == (plain.answer, plain.traces, plain_prompts)


def test_several_readings_are_a_majority_vote() -> None:
    voted, _ = asked("sc(n=5)")
    read, _ = asked("re2(n=5, templates={'again': ''})")
    assert (read.answer, read.traces) == (voted.answer, voted.traces)
