"""The rolling hash against a finder that compares every window with every other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ttscale.signals.repetition import RepeatedWords, RepetitionFinder


def brute_force(symbols: list[int], window: int) -> list[int]:
    found = []
    for end in range(1, len(symbols) + 1):
        last = symbols[end - window : end] if end >= window else None
        found.append(sum(symbols[k : k + window] == last for k in range(end - window + 1)))
    return found


@given(st.lists(st.integers(0, 2), max_size=60), st.integers(1, 6))
def test_it_is_what_a_comparison_of_all_places_finds(symbols, window):
    finder = RepetitionFinder(window)
    assert [finder.feed(symbol) for symbol in symbols] == brute_force(symbols, window)


@given(st.text("ab \n", max_size=40), st.integers(1, 3), st.integers(1, 5))
def test_words_are_the_same_however_they_come_in_pieces(text, window, size):
    whole, pieces = RepeatedWords(window), RepeatedWords(window)
    text += " "
    found = [pieces.feed(text[at : at + size]) for at in range(0, len(text), size)]
    assert whole.feed(text) == max(found)


def test_a_loop_is_found_when_its_words_have_been_there_so_often():
    words = RepeatedWords(4)
    assert words.feed("so we try it again: ") == 1
    assert words.feed("a b c d a b c d a b c") == 2
    assert words.feed(" d ") == 3
