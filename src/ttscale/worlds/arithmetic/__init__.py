"""The lab: a small world with exact truth at every step, and the roles a model can play in it."""

from .checker import check_answer, check_steps, extract_answer, split_steps
from .problems import FAMILIES, LEVELS, WorldProblem, problem, problems
from .skills import SKILLS, messages, plain_solution, system_prompt, user_prompt

__all__ = [
    "FAMILIES",
    "LEVELS",
    "SKILLS",
    "WorldProblem",
    "check_answer",
    "check_steps",
    "extract_answer",
    "messages",
    "plain_solution",
    "problem",
    "problems",
    "split_steps",
    "system_prompt",
    "user_prompt",
]
