"""The lab: a small world with exact truth at every step, and the roles a model can play in it."""

from .check import check_answer, check_steps, extract_answer, split_steps
from .roles import ROLES, messages, plain_solution, system_prompt, user_prompt
from .world import FAMILIES, LEVELS, LabProblem, problem, problems

__all__ = [
    "FAMILIES",
    "LEVELS",
    "ROLES",
    "LabProblem",
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
