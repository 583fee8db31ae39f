"""Benches: methods x models x tasks under equal budgets, in one file that resumes and replays."""

from .comparison import Comparison
from .exports import export
from .plan import Plan, Planned, Settings, arrange, grid, tasks_of
from .progress import Progress
from .report.summary import Row, rows
from .runner import run_bench
from .store.replay_pool import pools_from_store
from .store.results import Cell, Result
from .store.store import Store
from .tasks.task import Task, load_task

__all__ = [
    "Cell",
    "Comparison",
    "Plan",
    "Planned",
    "Progress",
    "Result",
    "Row",
    "Settings",
    "Store",
    "Task",
    "arrange",
    "export",
    "grid",
    "load_task",
    "pools_from_store",
    "rows",
    "run_bench",
    "tasks_of",
]
