r"""How a question is put to a model: a template per kind of answer, each of which may be replaced.

A template holds `{question}` and, for multiple choice, `{options}`; other braces mean themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...core import UsageError

_BOX = r"put your final answer within \boxed{}."
TEMPLATES: dict[str, str] = {
    "math": "{question}\n\nPlease reason step by step, and " + _BOX,
    "number": "{question}\n\nPlease reason step by step, and " + _BOX,
    "integer": "{question}\n\nThe answer is a whole number. Please reason step by step, and " + _BOX,
    "choice": (
        "{question}\n\n{options}\n\nPlease reason step by step, and put the letter of your choice "
        r"within \boxed{}."
    ),
    "text": "{question}\n\nPlease reason step by step, and " + _BOX,
    "code": (
        "{question}\n\nPlease reason step by step, and end with one fenced code block that holds "
        "the whole solution."
    ),
    "tool": "{question}",
}


def filled(question: str, template: str, options: Sequence[str] = ()) -> str:
    """The question in its template, options lettered from A.

    Raises:
        UsageError: if the template has no place for the question.
    """
    if "{question}" not in template:
        raise UsageError(
            f"template {template[:60]!r} does not ask the question", fix="write {question} in it"
        )
    lettered = "\n".join(f"{chr(65 + i)}. {option}" for i, option in enumerate(options))
    if "{options}" not in template and lettered:
        question = f"{question}\n\n{lettered}"
    before, _, after = template.partition("{question}")
    before, after = before.replace("{options}", lettered), after.replace("{options}", lettered)
    return (before + question + after).replace("\n\n\n\n", "\n\n")
