"""The bundled questions: each answer is counted out here, by another way than a model would take."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from importlib.resources import files
from itertools import combinations, permutations, product
from math import comb, gcd, isqrt, lcm

import pytest

from ttscale.bench import load_task

PATH = str(files("ttscale").joinpath("assets", "questions.jsonl"))


def prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, isqrt(n) + 1))


def digits(n: int) -> list[int]:
    return [int(d) for d in str(n)]


def paths(width: int, height: int, blocked: set[tuple[int, int]]) -> int:
    ways = {(0, 0): 1}
    for x, y in product(range(width + 1), range(height + 1)):
        if (x, y) != (0, 0):
            ways[x, y] = 0 if (x, y) in blocked else ways.get((x - 1, y), 0) + ways.get((x, y - 1), 0)
    return ways[width, height]


def collatz(n: int) -> int:
    return 0 if n == 1 else 1 + collatz(n // 2 if n % 2 == 0 else 3 * n + 1)


def taken(matches: int) -> int:
    """The winning first move of Nim with moves 1, 3 and 4; 0 if there is none."""
    wins = [False]
    for n in range(1, matches + 1):
        wins.append(any(n >= m and not wins[n - m] for m in (1, 3, 4)))
    return next((m for m in (1, 3, 4) if not wins[matches - m]), 0)


def recurrence(n: int) -> int:
    a = [2, 5]
    while len(a) <= n:
        a.append(3 * a[-1] - 2 * a[-2])
    return a[n]


ANSWERS = {
    "train": Fraction(180 * 60, 45),
    "apples": 7 * 12 - 19 + 3 * 8,
    "product": 347 * 86 - 2915,
    "discount": 200 * Fraction(85, 100) * Fraction(90, 100),
    "seats": 3 * (18 + 22) - 14,
    "tank": 1 / (Fraction(1, 12) + Fraction(1, 20) - Fraction(1, 30)),
    "ages": next(s for s in range(100) if 4 * s + 6 == 3 * (s + 6)),
    "coins": next(n for n in range(41) if 10 * n + 25 * (40 - n) == 655),
    "weekday": (date(2024, 1, 1) + timedelta(days=1000)).isoweekday(),
    "clock": next(m for m in range(1, 60) if abs(30 * 4 + m * 0.5 - 6 * m) % 360 == 10),
    "primes": sum(p for p in range(50, 81) if prime(p)),
    "divisors": sum(720 % d == 0 for d in range(1, 721)),
    "last-digits": pow(7, 2023, 100),
    "remainder": pow(3, 200, 13),
    "crt": next(n for n in range(1, 9999) if n % 5 == 3 and n % 7 == 4 and n % 9 == 5),
    "lcm": lcm(84, 126, 90) // gcd(84, 126, 90),
    "zeros": sum(130 // 5**k for k in range(1, 4)),
    "digit-sum": sum(sum(digits(n)) == 12 for n in range(100, 1000)),
    "palindromes": sum(str(n) == str(n)[::-1] and n % 11 == 4 for n in range(100, 1000)),
    "sevens": sum(str(n).count("7") for n in range(1, 1001)),
    "squares-between": sum(isqrt(n) ** 2 == n for n in range(500, 2001)),
    "multiples": sum((n % 6 == 0) != (n % 10 == 0) for n in range(1, 601)),
    "sum-of-squares": sum(
        any(a * a + b * b == n for a in range(1, 8) for b in range(a, 8)) for n in range(1, 51)
    ),
    "committee": comb(6, 3) * comb(5, 2) - comb(5, 2) * comb(4, 1),
    "queue": sum(abs(p.index(0) - p.index(1)) > 1 for p in permutations(range(6))),
    "letters": len(set(permutations("BANANA"))),
    "dice": sum(sum(roll) == 11 for roll in product(range(1, 7), repeat=3)),
    "strings": sum("00" not in "".join(s) for s in product("01", repeat=10)),
    "grid": paths(5, 4, {(2, 2)}),
    "triangles": sum(a + b > c for a, b, c in combinations(range(1, 11), 3)),
    "subsets": sum(sum(s) % 5 == 0 for k in range(11) for s in combinations(range(1, 11), k)),
    "stairs": sum(1 for k in range(1, 13) for steps in product((1, 2, 3), repeat=k) if sum(steps) == 9),
    "handshakes": next(n for n in range(2, 99) if comb(n, 2) - 3 == 102),
    "collatz": collatz(27),
    "nim": taken(20),
    "recurrence": recurrence(12),
    "base": int("2132", 5) - int("1011101", 2),
    "derangements": sum(all(p[i] != i for i in range(6)) for p in permutations(range(6))),
    "increasing": sum(all(a < b for a, b in zip(digits(n), digits(n)[1:])) for n in range(1000, 10000)),
    "two-socks": Fraction(comb(6, 2) + comb(4, 2) + comb(2, 2), comb(12, 2)).denominator,
    "polygon": next(n for n in range(3, 99) if n * (n - 3) // 2 == 90),
    "mixture": Fraction(3 * 20 + 5 * 36, 8),
    "units": sum(gcd(n, 210) == 1 for n in range(1, 211)),
    "quadratic": sum(x * x - 14 * x + 33 < 0 for x in range(-99, 100)),
    "floor": sum(1000 // 2**k for k in range(1, 11)),
    "diagonal": 15 + 25 - gcd(15, 25),
    "balls": sum(
        a + b + c == 12 and a >= 1 and b >= 2 and c >= 3 for a, b, c in product(range(13), repeat=3)
    ),
    "cube": sum(sum(face in (0, 4) for face in at) == 2 for at in product(range(5), repeat=3)),
}


def test_every_question_has_the_answer_that_counting_gives():
    problems = {p.id: p for p in load_task(PATH).problems}
    assert problems.keys() == ANSWERS.keys()
    wrong = [name for name, answer in ANSWERS.items() if not problems[name].correct(str(answer))]
    assert not wrong


@pytest.mark.parametrize("name", ["collatz", "balls"])
def test_another_number_is_wrong(name):
    problem = next(p for p in load_task(PATH).problems if p.id == name)
    assert problem.correct(str(ANSWERS[name] + 1)) is False
