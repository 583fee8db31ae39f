"""The exact checkers on hand-written traces."""

import pytest

from ttscale.worlds.arithmetic import WorldProblem, check_answer, check_steps, extract_answer
from ttscale.worlds.arithmetic.calculations import Calculation, Node
from ttscale.worlds.arithmetic.checker import value_of
from ttscale.worlds.arithmetic.paths import Maze

ARITH = Calculation("3+4*5?", (3, 4, 5), (Node("*", 1, 2), Node("+", 0, 3)), (), shows_rest=True)
WORD = Calculation("", (12, 7, 4), (Node("+", 0, 1), Node("-", 3, 2)), ())
MAZE = Maze("", 4, 13, ("*2", "+5"), 2)


def lab(world) -> WorldProblem:
    return WorldProblem("x", "x", 1, world.question, world.answer, world)


@pytest.mark.parametrize(
    ("steps", "verdicts"),
    [
        (["3+4*5", "4*5=20\n3+20", "3+20=23"], [True, True, True]),
        (["3+4*5", "4*5=21\n3+21", "3+21=24"], [True, False, False]),  # built on a mistake
        (
            ["3+4*5", "4*5=21\n3+21", "Wait, is 4*5=21? No, 4*5=20\n3+20", "3+20=23"],
            [True, False, True, True],
        ),
        (["3+4*5", "4*5=20\n3+20", "Wait, is 4*5=20? Yes", "3+20=23"], [True, True, True, True]),
        (["3+4*5", "4*5=20\n3+20", "Wait, is 4*5=20? No, 4*5=21\n3+21"], [True, True, False]),
        (["3+4*5", "4*5=21\n3+21", "Wait, is 4*5=21? Yes"], [True, False, False]),
        (["3+4*6"], [False]),  # miscopied
        (["3+4*5", "3+4=7\n7*5"], [True, False]),  # true, but against precedence
        (["3+4*5", "4*5=20\n3+30", "Wait, the rest is 3+20"], [True, False, True]),
        (["nonsense"], [False]),
    ],
)
def test_arith_steps(steps, verdicts):
    assert check_steps(lab(ARITH), "<think>\n" + "\n\n".join(steps) + "\n</think>\n\n\\boxed{23}") == verdicts


@pytest.mark.parametrize(
    ("steps", "verdicts"),
    [
        (["12+7=19", "19-4=15"], [True, True]),
        (["7+12=19", "Mia: 19-4=15"], [True, True]),
        (["12+9=21", "21-4=17"], [False, False]),  # true sums about the wrong numbers
        (["12+9=21", "Wait, is 12+9=21? No, 12+7=19", "19-4=15"], [False, True, True]),
        (["12+7=19", "Wait, is 12+7=19? Yes"], [True, True]),
        (["12+7=18"], [False]),
    ],
)
def test_word_steps(steps, verdicts):
    assert check_steps(lab(WORD), "<think>\n" + "\n\n".join(steps) + "\n</think>\n\n\\boxed{15}") == verdicts


@pytest.mark.parametrize(
    ("step", "verdict"),
    [
        ("4*2=8\n8+5=13\n13-13=0: Yes", True),
        ("4+5=9\n9*2=18\n18-13=5: No", True),  # a dead end, truly told
        ("4+5=9\n9*2=18\n18-13=5: Yes", False),
        ("4+5=9\n9*2=18\n18-13=0: Yes", False),
        ("4+5=9\n9*2=18\n18-18=0: Yes", False),  # another target
        ("4*2=8\n8+5=12\n13-12=1: No", False),
        ("4*2=8\n9+5=14\n14-13=1: No", False),  # does not follow
        ("4*2=8\n13-8=5: No", False),  # too short
        ("4*2=8\n8+5=13", False),  # not compared
        ("4*3=12\n12+5=17\n17-13=4: No", False),  # no such move
        ("Wait, is 8+5=12? No, 8+5=13", True),
        ("Wait, is 8+5=13? Yes", True),
        ("Wait, is 8+5=13? No, 8+5=12", False),
    ],
)
def test_search_steps(step, verdict):
    assert check_steps(lab(MAZE), f"<think>\n{step}\n</think>\n\n\\boxed{{*2 +5}}") == [verdict]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("\\boxed{23}", True),
        ("23", True),
        ("\\boxed{1} no, \\boxed{23}", True),
        ("\\boxed{23} no, \\boxed{1}", False),
        ("\\boxed{}", False),
        ("it is 23", False),
        ("\\boxed{2 3}", False),
        ("", False),
    ],
)
def test_number_answers(text, right):
    assert check_answer(lab(ARITH), text) is right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("\\boxed{*2 +5}", True),
        ("*2, +5", True),
        ("\\boxed{+5 *2}", False),
        ("*2", False),
        ("*2 +5 +5", False),
        ("", False),
    ],
)
def test_path_answers(text, right):
    assert check_answer(lab(MAZE), text) is right


def test_a_long_text_without_a_box_has_no_answer():
    assert extract_answer("one\ntwo") is None
    assert extract_answer(" 7 ") == "7"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2+3*4", 14),
        ("(2+3)*4", 20),
        ("9-(3-2)", 8),
        ("9-3-2", 4),
        ("2*(3+4)*5", 70),
        ("2+", None),
        ("(2", None),
        ("2)", None),
    ],
)
def test_value_of_an_expression(expression, value):
    assert value_of(expression) == value
