"""Progress of a long run on stderr: a bar on a terminal, a line every half minute elsewhere."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

LINE_SECONDS = 30.0


class Meter:
    """Shows the share done, loss, tokens per second and the time that remains."""

    def __init__(self, title: str, done: float = 0.0) -> None:
        self.title, self.started, self.first, self.last_line = title, time.monotonic(), done, 0.0
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}% {task.fields[note]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task(title, total=1.0, note="")
        self.bar.update(self.task, completed=done)

    def __enter__(self) -> "Meter":
        self.bar.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.bar.stop()

    def update(self, done: float, **numbers: float) -> None:
        """`done` in [0, 1]; `numbers` are shown by name."""
        note = "  ".join(f"{name} {value:,.4g}" for name, value in numbers.items())
        self.bar.update(self.task, completed=done, note=note)
        now = time.monotonic()
        if self.console.is_terminal or now - self.last_line < LINE_SECONDS:
            return
        self.last_line = now
        speed = (done - self.first) / max(now - self.started, 1e-9)
        eta = (1.0 - done) / speed / 60 if speed > 0 else float("nan")
        print(f"{self.title} {done:6.1%}  {note}  ETA {eta:.1f} min", file=sys.stderr, flush=True)
