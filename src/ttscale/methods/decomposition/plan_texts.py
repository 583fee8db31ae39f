"""Plans and executions as texts: how much two plans share, what an execution rejects, when it is whole."""

from __future__ import annotations

import re

from ...signals.segments import sentences

_WORD = re.compile(r"\w+")
_REJECTS = re.compile(
    r"\b(?:(?:is|seems|must be|looks|was) (?:wrong|incorrect|impossible|not (?:right|correct|possible|valid))"
    r"|(?:does(?:n't| not)|do(?:n't| not)|can(?:'t|not)) (?:work|hold|be right|be correct|match|add up)"
    r"|contradict(?:s|ion)|made (?:a mistake|an error))",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\boxed\s*\{")
_PASSAGES = 5


def overlap(text: str, other: str) -> float:
    """The share of the different words of `text` that `other` has too, in [0, 1]; 1 for an empty text."""
    words, others = (set(_WORD.findall(t.casefold())) for t in (text, other))
    return len(words & others) / len(words) if words else 1.0


def rejections(text: str) -> list[str]:
    """The last sentences in which an execution rejects what it has written."""
    return [sentence for sentence in sentences(text) if _REJECTS.search(sentence)][-_PASSAGES:]


def avoids(plan: str, passages: list[str], shared: float = 0.5) -> bool:
    """Whether a plan goes another way than the rejected passages: has at most that share of the words of
    each."""
    return all(overlap(passage, plan) <= shared for passage in passages)


def acceptable(text: str, least_before: int, most_after: int) -> bool:
    """Whether the last box stands where a solution's does: work before it, and not much after it."""
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return False
    box = boxes[-1].start()
    return box >= least_before and len(text) - box <= most_after
