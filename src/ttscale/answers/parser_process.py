"""Reading answers in a process of its own, for programs that must not wait for a parser.

math-verify and sympy take a second to load, tens of megabytes, and for an odd expression seconds.
`known` tells whether an answer can be read without them; if not, a `Helper` reads it elsewhere, and
what it found is remembered here, where the rules then find it.

    python -m ttscale.answers.apart      # the helper: a text a line in, what it says a line out
"""

from __future__ import annotations

import asyncio
import base64
import pickle
import sys

import orjson

from ..core import Problem, Trace
from .boxed import last_boxed, stated
from .expressions import Memory, UnreadError, learn, quickly, unlearn
from .math import MathRule

_LONGEST_LINE = 1 << 24  # bytes
_PATIENCE = 30.0  # seconds, in which a helper that has just been started must also have loaded


def known(problem: Problem, trace: Trace) -> bool:
    """Whether the answer of a trace can be found and compared without the parser."""
    try:
        with quickly():
            answer = problem.answer(trace)
            if answer is not None:
                problem.rule.same(answer, "0")
    except UnreadError:
        return False
    return True


class Helper:
    """The process: started when it is first needed, and again after it has died. It is asked one
    thing at a time."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def read(self, reply: str) -> None:
        """Let it read a reply, and remember what it found.

        Raises:
            OSError: it cannot be started, has died, or takes too long.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                learn(await self._asked(reply))
        except BaseException:
            await self.close()  # whatever it would still say belongs to nobody
            raise

    async def close(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def _asked(self, reply: str) -> Memory:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, limit=_LONGEST_LINE,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us; it ends when its input does
            )  # fmt: skip
        ears, mouth = self._process.stdin, self._process.stdout
        assert ears is not None
        assert mouth is not None
        ears.write(orjson.dumps(reply) + b"\n")
        await ears.drain()
        said = await mouth.readline()
        if not said:
            raise ConnectionError("the process that reads answers has died")
        found = pickle.loads(base64.b64decode(said))
        assert isinstance(found, Memory)
        return found


def read(reply: str) -> Memory:
    """What a reply can be taken to say, by whichever rule asks."""
    rule = MathRule()
    for answer in (rule.find(reply), last_boxed(reply), stated(reply)):
        if answer is not None:
            rule.key(answer)
    return unlearn()


def main() -> None:
    for line in sys.stdin.buffer:
        found = base64.b64encode(pickle.dumps(read(orjson.loads(line))))
        sys.stdout.buffer.write(found + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
