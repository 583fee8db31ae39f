"""Benches: methods x models x tasks under equal budgets, in one file that resumes and replays."""

from .export import export
from .item import Cell, Item
from .plan import Plan, Planned, Settings, arrange, grid
from .progress import Progress
from .recorded import pools_from_store
from .report import Row, rows
from .runner import run_bench
from .store import Store
from .tasks import Task, load_task

__all__ = [
    "Cell",
    "Item",
    "Plan",
    "Planned",
    "Progress",
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
]
