"""Measure the math rule against plain math-verify: what each gets right, and what it costs.

    python benchmarks/answers.py --cases DIR [--formulas N] [--verbose]

DIR holds `equal.jsonl` (kind, a, b, same: two answers and whether they are the same) and, if it
likes, `extract.jsonl` (kind, rule, text, answer: a reply and the answer in it; letters for choices).
math-verify is used as its documentation shows: both answers between dollar signs, parsed and
verified, either way round. Times are CPU seconds of this process. The last line of the output is
JSON.
"""

import argparse
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from ttscale.answers import MathRule, is_unread, rule_for
from ttscale.core import Problem, Prompt, Trace
from ttscale.core.votes import Votes

Cases = list[dict[str, Any]]


def cases(path: Path) -> Cases:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


@lru_cache(maxsize=1)
def math_verify() -> tuple[Callable[..., Any], Callable[..., Any]]:
    from math_verify import parse, verify

    logging.disable(logging.ERROR)  # it reports every formula that it cannot read
    return parse, verify


def ours_equal(case: dict[str, Any]) -> bool:
    rule = rule_for("math")
    return rule.same(case["a"], case["b"]) and rule.same(case["b"], case["a"])


def theirs_equal(case: dict[str, Any]) -> bool:
    parse, verify = math_verify()
    a, b = parse(f"${case['a']}$"), parse(f"${case['b']}$")
    return bool(verify(a, b)) and bool(verify(b, a))


def ours_extract(case: dict[str, Any]) -> bool:
    letters = {"letters": case["letters"]} if "letters" in case else {}
    rule = rule_for(case["rule"], **letters)
    found = rule.extract(Trace(text=case["text"]))
    if found is None or case["answer"] is None:
        return found is case["answer"]
    return rule.same(found, case["answer"])


def theirs_extract(case: dict[str, Any]) -> bool:
    parse, verify = math_verify()
    found = parse(case["text"])
    if case["answer"] is None or not found:
        return not found and case["answer"] is None
    return bool(verify(parse(f"${case['answer']}$"), found))


def shares(name: str, these: Cases, by: str, readers: dict[str, Callable[..., bool]]) -> dict[str, float]:
    """Print what each reader gets right, by a field of the cases."""
    right: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(readers, 0))
    size: dict[str, int] = defaultdict(int)
    for case in these:
        size[case[by]] += 1
        for reader, judge in readers.items():
            expected = case.get("same", True)
            right[case[by]][reader] += judge(case) == expected
    print(f"\n{name:28}{'cases':>7}" + "".join(f"{reader:>14}" for reader in readers))
    for kind in sorted(size, key=lambda k: (-size[k], k))[:20]:
        counts = "".join(f"{right[kind][reader]:>14}" for reader in readers)
        print(f"{kind[:27]:28}{size[kind]:>7}{counts}")
    total = {r: sum(right[k][r] for k in size) / max(len(these), 1) for r in readers}
    print(f"{'all':28}{len(these):>7}" + "".join(f"{total[r]:>14.3f}" for r in readers))
    return total


def formulas(count: int) -> list[str]:
    """Formulas that all differ, such as answers to contest problems are."""
    shapes = (
        r"\frac{{\sqrt{{{k}}}+{k}x}}{{{k}+1}}",
        r"{k}\pi-\frac{{{k}}}{{{k}+1}}",
        r"\left(\frac{{{k}}}{{7}},\infty\right)",
        r"x^2+{k}y^2=1",
    )
    return [shapes[n % len(shapes)].format(k=n + 2) for n in range(count)]


def seconds(work: Callable[[Any], Any], over: Iterable[Any]) -> float:
    began = time.process_time()
    for thing in over:
        work(thing)
    return time.process_time() - began


def vote(answers: list[str]) -> Votes:
    votes = Votes(Problem("vote", Prompt.user("?"), MathRule()))
    for answer in answers:
        votes.add(Trace(text=rf"\boxed{{{answer}}}"))
    return votes


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=Path, required=True)
    options.add_argument("--formulas", type=int, default=512)
    options.add_argument("--verbose", action="store_true", help="list what ours gets wrong")
    chosen = options.parse_args()

    equal, extract = cases(chosen.cases / "equal.jsonl"), cases(chosen.cases / "extract.jsonl")
    found = {
        "equal": shares("same answer", equal, "kind", {"ours": ours_equal, "math-verify": theirs_equal}),
        "extract": shares(
            "extraction", extract, "rule", {"ours": ours_extract, "math-verify": theirs_extract}
        ),
    }
    if chosen.verbose:
        for case in equal:
            if ours_equal(case) != case["same"]:
                print("wrong:", case)
        for case in extract:
            if not ours_extract(case):
                print("wrong:", case)

    texts = formulas(chosen.formulas)
    parse, _ = math_verify()
    MathRule().key(r"\sqrt2+x")  # loaded
    parse(r"$\sqrt2+x$")
    voting = seconds(vote, [texts])
    again = seconds(vote, [texts])
    reading = seconds(MathRule().key, [text + "+0" for text in texts])
    parsing = seconds(lambda text: parse(f"${text}$"), texts)
    each = 1000 / len(texts)
    print(
        f"\n{'reading 1,000 formulas':40} ours {reading * each:7.2f} s   math-verify {parsing * each:7.2f} s"
    )
    print(f"{f'a vote of {len(texts)} distinct formulas':40} ours {voting:7.2f} s   again {again:7.2f} s")
    hostile = [r"2^{14!}", r"\sum_{k=1}^{9997}\frac1k", r"3^{\binom{9997}{2}}", r"e^{e^{e^{8}}}"]
    slowest = max(seconds(MathRule().key, [formula]) for formula in hostile)
    print(
        f"{'the slowest of formulas out of reach':40} ours {slowest:7.2f} s   "
        f"unread: {sum(map(is_unread, hostile))} of {len(hostile)}"
    )
    found["seconds"] = {
        "reading_1000": reading * each,
        "math_verify_1000": parsing * each,
        "vote": voting,
        "vote_again": again,
        "slowest": slowest,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
