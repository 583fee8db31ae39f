"""Whether a program passes the tests that came with its question.

The program is a model's: it is run in a process of its own, with limits on time, memory and what it writes,
in an empty folder. That stops accidents. It is not a sandbox: run models you do not trust in a container.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

SECONDS = 10
_BYTES = 1 << 30  # of memory
_WRITTEN = 1 << 20  # of any file


def scorer(row: Mapping[str, Any]) -> Callable[[str], bool | None] | None:
    """The scorer of a row with `prompt`, `test` and `entry_point`; None if it has no tests."""
    if not row.get("test") or not row.get("entry_point"):
        return None
    return partial(passes, str(row["prompt"]), str(row["test"]), str(row["entry_point"]))


def passes(prompt: str, test: str, entry_point: str, answer: str) -> bool:
    """Whether the answer, a whole program or what completes the prompt, passes `check(entry_point)`."""
    program = answer if f"def {entry_point}" in answer else f"{prompt}\n{answer}"
    # the imports of the question hold also where only its function is repeated
    head = "\n".join(line for line in prompt.splitlines() if line.startswith(("import ", "from ")))
    done = "passed: the last line was reached"
    source = f"{head}\n{program}\n\n{test}\n\ncheck({entry_point})\nprint({done!r})\n"
    with tempfile.TemporaryDirectory() as folder:
        try:
            ended = subprocess.run(
                [sys.executable, "-I", "-c", source],
                cwd=folder,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                preexec_fn=_limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return ended.returncode == 0 and ended.stdout.decode(errors="replace").rstrip().endswith(done)


def _limit() -> None:
    import resource  # not everywhere

    for what, most in (
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_AS, _BYTES),
        (resource.RLIMIT_FSIZE, _WRITTEN),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
