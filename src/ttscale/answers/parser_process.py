r"""A process of its own for formulas that take a computer algebra system.

Numbers, algebra, sets and relations are read at once and at a bounded cost, where they are needed.
Integrals, limits and endless sums are not: sympy takes a second to load, tens of megabytes, and for
an odd expression longer than a question may wait. So it works in a process that can be ended: after
`SECONDS` it gives up by itself, after `END` the system ends it and another is started. What was not
finished is compared as it is written.

    python -m ttscale.answers.parser_process      # a tree a line in, its values a line out
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import contextlib
import json
import os
import pickle
import resource
import select
import subprocess
import sys
import threading
import time
from functools import lru_cache

from ..core import Problem, Trace
from .deadline import ENDED, DeadlineError, deadline
from .extraction import last_boxed, stated
from .formulas.forms import UnreadError, calculating, quickly
from .formulas.meaning.evaluation import Value, numbers
from .formulas.tree import Node
from .rules.math import MathRule

SECONDS, END = 1.0, 1.5  # of CPU time for one formula
_MEMORY = 2 << 30  # bytes it may take
_PATIENCE = 30.0  # seconds of a busy machine until an answer must come


class ParserProcess:
    """The process: started when it is first needed, and again after it has been killed. Threads take
    turns."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._turn = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process's number; None while there is none."""
        return None if self._process is None else self._process.pid

    def calculate(self, node: Node, positive: bool, points: int) -> list[Value] | None:
        """The values of a tree at each of the points; None if it is not finished in time or has
        none.

        Raises:
            OSError: the process cannot be started, or has died.
        """
        requested = base64.b64encode(pickle.dumps((node, positive, points)))
        with self._turn:
            statement = self._parsed(requested)
        if statement is None:
            return None
        context = numbers()
        values = [(context.mpf(real), context.mpf(imaginary)) for real, imaginary in statement]
        return [context.mpc(*pair) if pair[1] else pair[0] for pair in values]

    def close(self) -> None:
        """End it."""
        process, self._process, self._ready = self._process, None, False
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _parsed(self, line: bytes) -> list[tuple[str, str]] | None:
        try:
            process = self._started()
            assert process.stdin is not None
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            statement = self._line(process)
        except BaseException:
            self.close()  # whatever it would still say belongs to no later question
            raise
        if not statement:
            ended = process.wait() == ENDED
            self.close()
            if not ended:
                raise ConnectionError("the process that calculates formulas has died")
            self._start()  # it loads while we go on
            return None
        found: list[tuple[str, str]] | None = json.loads(statement)
        return found

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._start()
        assert self._process is not None
        if not self._ready and not self._line(self._process):
            raise ConnectionError("the process that calculates formulas does not start")
        self._ready = True
        return self._process

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us; it ends when its input does
        )

    @staticmethod
    def _line(process: subprocess.Popen[bytes]) -> bytes:
        """Its next line; empty if it has ended."""
        assert process.stdout is not None
        end, statement = time.monotonic() + _PATIENCE, b""
        while not statement.endswith(b"\n"):
            left = max(0.0, end - time.monotonic())
            if not select.select([process.stdout], [], [], left)[0]:
                raise TimeoutError("the process that calculates formulas does not answer")
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                return b""
            statement += piece
        return statement


@lru_cache(maxsize=1)
def shared() -> ParserProcess:
    """The process of programs that wait for it."""
    process = ParserProcess()
    atexit.register(process.close)
    return process


def known(problem: Problem, trace: Trace) -> bool:
    """Whether the answer of a trace can be found and compared without the process."""
    try:
        with quickly():
            answer = problem.answer(trace)
            if answer is not None:
                problem.rule.same(answer, "0")
    except UnreadError:
        return False
    return True


class Helper:
    """The process for programs that must not wait: it is asked from a thread, one thing at a time."""

    def __init__(self) -> None:
        self._process = ParserProcess()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    async def read(self, reply: str) -> None:
        """Read what a reply can be taken to say; it is remembered where the rules then find it.

        Raises:
            OSError: the process cannot be started, has died, or takes too long.
        """
        try:
            await asyncio.to_thread(self._read, reply)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the process; a question under way fails."""
        self._process.close()

    def _read(self, reply: str) -> None:
        with calculating(self._process.calculate):
            read(reply)


def read(reply: str) -> None:
    """Read what a reply can be taken to say, by whichever rule asks."""
    rule = MathRule()
    for answer in (rule.find(reply), last_boxed(reply), stated(reply)):
        if answer is not None:
            rule.key(answer)


def main() -> None:
    from .formulas.meaning.calculus import calculated, warm

    warm()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    _say("ready")
    for line in sys.stdin.buffer:
        node, positive, points = pickle.loads(base64.b64decode(line))
        found = None
        with contextlib.suppress(DeadlineError, Exception), deadline(SECONDS, END):
            found = calculated(node, positive, points)
        _say(found)


def _say(what: object) -> None:
    with contextlib.suppress(BrokenPipeError):  # we are ended as soon as we read on
        os.write(sys.stdout.fileno(), json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
