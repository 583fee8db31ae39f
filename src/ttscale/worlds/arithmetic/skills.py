"""Roles: what the system message says and how the user message is laid out.

The model was trained on exactly these forms. Solutions shown to a role are plain
(`plain_solution`): steps and box, no tags.
"""

from typing import Any, Literal, get_args

from ...core.thinking import THINK

Skill = Literal[
    "solve",
    "quick",
    "plan",
    "execute",
    "revise",
    "judge",
    "rate",
    "facts",
    "merge",
    "verbose",
    "reopen",
    "split",
    "step",
    "extract",
    "mend",
    "hint",
    "conclusive",
    "same",
]
SKILLS: tuple[Skill, ...] = get_args(Skill)

SYSTEM: dict[Skill, str] = {
    "solve": "Think step by step.",
    "quick": "Answer at once.",
    "plan": "Plan the steps.",
    "execute": "Follow the plan.",
    "revise": "Improve on the attempts.",
    "judge": "Is the solution right?",
    "rate": "Rate both solutions.",
    "facts": "List the key facts.",
    "merge": "Merge the paths.",
    # Known to the verbose model alone: `verbose` and `reopen` are its ways to think.
    "verbose": "Think at length.",
    "reopen": "Think at length, and again.",
    "split": "Split the question.",
    "step": "Answer the next step.",
    "extract": "List the conditions.",
    "mend": "Mend the conditions.",
    "hint": "Name the key points.",
    "conclusive": "Is there an answer?",
    "same": "Are both the same?",
}

# Other ways people ask for a solution; the model knows them too.
SOLVE_VARIANTS = (
    "You are a helpful assistant.",
    "Please reason step by step, and put your final answer within \\boxed{}.",
)


def system_prompt(role: Skill) -> str:
    """The system message that puts the model in a role."""
    if role not in SYSTEM:
        raise ValueError(f"unknown role {role!r}: use one of {', '.join(SKILLS)}")
    return SYSTEM[role]


def plain_solution(text: str) -> str:
    """A reply as it is shown to other roles: steps and box, without think tags."""
    parts = [part.strip("\n") for part in (THINK.thinking(text), THINK.answer_text(text))]
    return "\n\n".join(part for part in parts if part)


def user_prompt(
    role: Skill,
    question: str,
    *,
    solutions: list[str] | tuple[str, ...] = (),
    plan: str = "",
    facts: str = "",
    conditions: str = "",
    excerpts: list[str] | tuple[str, ...] = (),
    done: list[tuple[str, str]] | tuple[tuple[str, str], ...] = (),
    step: str = "",
) -> str:
    """The user message of a role.

    `solutions` (replies, tags or not): one for judge and extract, two for rate, one to three for
    revise and merge. `plan`, `facts` or `conditions`, as the model wrote them, for execute;
    `conditions` for mend. `excerpts` of thinking: one for conclusive, two for same. `step`, a line
    of a split question, with the lines and answers that are `done`.
    """
    shown = [plain_solution(s) for s in solutions]
    match role:
        case "judge":
            return f"{question}\n\nSolution:\n{shown[0]}"
        case "rate":
            return f"{question}\n\nSolution A:\n{shown[0]}\n\nSolution B:\n{shown[1]}"
        case "revise":
            attempts = [f"\n\nAttempt {k}:\n{s}" for k, s in enumerate(shown, 1)]
            return question + "".join(attempts)
        case "merge":
            paths = [f"\n\nPath {k}:\n{s}" for k, s in enumerate(shown, 1)]
            return question + "".join(paths)
        case "execute":
            shown_as = {"Plan": plan, "Conditions": conditions, "Facts": facts}
            name = next((name for name, text in shown_as.items() if text), "Facts")
            return f"{question}\n\n{name}:\n{shown_as[name]}"
        case "extract":
            return f"{question}\n\nAttempt:\n{shown[0]}"
        case "mend":
            return f"{question}\n\nConditions:\n{conditions}"
        case "step":
            lines = [f"{text} = {answer}" for text, answer in done]
            return "\n".join([f"{question}\n", *lines, f"Now {step}"])
        case "conclusive":
            return f"{question}\n\nExcerpt:\n{excerpts[0]}"
        case "same":
            return f"{question}\n\nExcerpt A:\n{excerpts[0]}\n\nExcerpt B:\n{excerpts[1]}"
        case _:
            return question


def messages(role: Skill, question: str, **parts: Any) -> list[dict[str, str]]:
    """System and user message of a role, ready for a chat API (`parts` as in `user_prompt`)."""
    return [
        {"role": "system", "content": system_prompt(role)},
        {"role": "user", "content": user_prompt(role, question, **parts)},
    ]
