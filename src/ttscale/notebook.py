"""Progress in a notebook: one line under the cell, rewritten while samples run.

Outside of a notebook nothing is shown: a library does not write on its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape


def line() -> Callable[[str], None] | None:
    """What to call with the text of a line under the running cell; None outside of a notebook."""
    if not is_notebook():
        return None
    from IPython.display import HTML, display

    handle = display(HTML(""), display_id=True)
    return lambda text: handle.update(HTML(f"<small>{escape(text)}</small>"))


def is_notebook() -> bool:
    """Whether this process is a notebook's kernel; asks nothing that would load IPython."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None
