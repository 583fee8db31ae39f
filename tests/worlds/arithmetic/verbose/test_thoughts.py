"""A long trace is divided into its thoughts, and measured."""

import pytest

from ttscale.worlds.arithmetic.verbose.thoughts import thoughts, trace_statistics, whole_thinking

ATTEMPT = "3+4\n\n3+4=8\n\nAnswer: 8"
USEFUL = "Wait, right?\n3+4=7\n\nAnswer: 7"
REPEAT = "But right?\n3+4=7\n\nAnswer: 7"


def reply(*said: str) -> str:
    return "<think>\n" + "\n\n".join(said) + "\n</think>\n\n\\boxed{7}"


def test_thoughts_begin_with_a_word_that_announces_them():
    found = thoughts(reply(ATTEMPT, USEFUL, REPEAT))
    assert [t.text for t in found] == [ATTEMPT, USEFUL, REPEAT]
    assert [t.answer for t in found] == ["8", "7", "7"]
    assert [t.begins for t in found] == [0, len(ATTEMPT) + 2, len(ATTEMPT) + len(USEFUL) + 4]


def test_the_doubt_of_a_single_step_is_no_thought():
    doubted = "3+4\n\n3+4=7\n\nWait, is 3+4=7? Yes\n\nAnswer: 7"
    assert [t.text for t in thoughts(reply(doubted))] == [doubted]


def test_statistics_of_a_trace_that_changes_its_answer_once():
    found = trace_statistics(reply(ATTEMPT, USEFUL, REPEAT))
    assert (found.rechecks, found.useful, found.unfinished) == (2, 1, 0)
    assert found.reflections == 2
    whole = len(ATTEMPT) + len(USEFUL) + len(REPEAT) + 4
    assert found.first_stated == pytest.approx((whole - len(REPEAT) - 2) / whole)
    assert not found.loops
    assert not found.reopened


def test_a_trace_that_returns_to_its_first_answer_had_it_from_the_start():
    found = trace_statistics(reply(REPEAT, ATTEMPT.replace("3+4\n", "Wait, once more:\n"), REPEAT))
    assert found.useful == 2
    assert found.first_stated < 0.4


def test_an_attempt_that_is_given_up_is_unfinished():
    found = trace_statistics(reply("3+4=8", "Hmm, once more:\n\n3+4=7", REPEAT))
    assert found.unfinished == 2
    assert found.rechecks == 0


def test_saying_the_same_to_the_end_is_a_loop():
    assert trace_statistics("<think>\n" + "\n\n".join([ATTEMPT] + [REPEAT] * 5)).loops
    assert not trace_statistics("<think>\n" + "\n\n".join([ATTEMPT] + [REPEAT] * 4)).loops


def test_a_second_section_is_thinking_too():
    text = f"<think>\n{ATTEMPT}\n</think>\n\n<think>\n{USEFUL}\n</think>\n\n\\boxed{{7}}"
    assert whole_thinking(text) == f"{ATTEMPT}\n\n{USEFUL}"
    found = trace_statistics(text)
    assert found.reopened
    assert found.rechecks == 1


@pytest.mark.parametrize("text", ["", "\\boxed{7}", "<think>\n\n</think>\n\n\\boxed{7}"])
def test_where_nothing_is_stated_there_is_no_share(text):
    found = trace_statistics(text)
    assert found.first_stated is None
    assert (found.rechecks, found.useful) == (0, 0)
