"""The tests of a tree, run again and again: which of them run which line, and how long each takes.

Every run is forked from this process, which has read the libraries that the tests need but nothing
of the tree: a run that starts at once sees the tree's files as they are.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Collection, Generator, Sequence
from pathlib import Path
from typing import Literal

import coverage
import pytest

Verdict = Literal["killed", "timeout", "survived"]


class TreeTests:
    """The quick tests under `paths` of the tree `root`, with Hypothesis's seed."""

    def __init__(self, root: Path, paths: Sequence[str], seed: int) -> None:
        self.root, self.paths, self.seed = root, paths, seed
        self.seconds: dict[str, float] = {}
        self._start = 0.0  # seconds until the first test began
        self._lines: dict[str, dict[int, set[str]]] = {}

    def measure(self, files: Collection[Path]) -> bool:
        """Run them all, and find out which run the lines of `files`; whether they pass."""
        found = self.root.parent / "measured.json"
        started = time.monotonic()
        code = self._run(Measured(self.root, files, found), list(self.paths), None)
        if code != 0:
            return False
        measured = json.loads(found.read_text())
        self.seconds = measured["seconds"]
        self._start = time.monotonic() - started - sum(self.seconds.values())
        self._lines = {
            path: {int(line): set(tests) for line, tests in lines.items()}
            for path, lines in measured["lines"].items()
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in measured["libraries"]:
                try:
                    importlib.import_module(name)
                except Exception:
                    continue  # it is read by the run that needs it
        return True

    def reaching(self, file: Path, lines: Collection[int] | None) -> set[str]:
        """The tests that run one of the lines, or any (None); all tests if none is known to: a
        process that a test starts is not seen."""
        known = self._lines.get(str(file), {})
        tests = {test for line in known if lines is None or line in lines for test in known[line]}
        return tests or set(self.seconds)

    def verdict(self, tests: Collection[str], timeout: float | None = None) -> Verdict:
        """What the tests say to the tree as it is, the quickest first, within so many seconds
        (None: ten, and five times what they and pytest's start took when they were measured)."""
        patience = timeout or 10 + 5 * (self._start + sum(self.seconds[test] for test in tests))
        files = dict.fromkeys(test.split("::")[0] for test in tests)
        code = self._run(Chosen(tests, self.seconds), list(files), patience)
        return "timeout" if code is None else "survived" if code == 0 else "killed"

    def _run(self, plugin: object, arguments: list[str], timeout: float | None) -> int | None:
        """pytest's exit code; None if it took too long and was ended, children and all."""
        shutil.rmtree(self.root / ".hypothesis", ignore_errors=True)  # examples of another fault
        child = os.fork()
        if not child:
            self._be_pytest(plugin, arguments)
        end = None if timeout is None else time.monotonic() + timeout
        try:
            while end is None or time.monotonic() < end:
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(0.01)
            return None
        finally:
            try:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
            except (ProcessLookupError, ChildProcessError):
                pass

    def _be_pytest(self, plugin: object, arguments: list[str]) -> None:
        code = 1
        try:
            os.setsid()
            os.chdir(self.root)
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(quiet, stream)
            source = str(self.root / "src")
            sys.path.insert(0, source)
            os.environ |= {
                "PYTHONPATH": source,
                "HYPOTHESIS_STORAGE_DIRECTORY": str(self.root / ".hypothesis"),
            }
            options = [
                "-x",
                "-q",
                "-m",
                "not slow",
                "-p",
                "no:cacheprovider",
                f"--hypothesis-seed={self.seed}",
            ]
            # libraries that stand here already cannot be rewritten
            options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
            code = int(pytest.main([*options, *arguments], plugins=[plugin]))
        finally:
            os._exit(code)


class Measured:
    """Plugin: writes down how long each test takes, which lines it runs, and what was imported."""

    def __init__(self, root: Path, files: Collection[Path], found: Path) -> None:
        self.root, self.files, self.found = root, files, found
        self.seconds: dict[str, float] = {}
        self.coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[str(root / file) for file in files]
        )

    def pytest_sessionstart(self) -> None:
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        started = time.monotonic()
        self.coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.coverage.switch_context("")
            self.seconds[item.nodeid] = round(time.monotonic() - started, 4)

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        lines = {
            str(file): {
                line: [test for test in tests if test]
                for line, tests in data.contexts_by_lineno(str(self.root / file)).items()
            }
            for file in self.files
        }
        libraries = [
            name
            for name, module in list(sys.modules.items())
            if "site-packages" in (getattr(module, "__file__", None) or "")
        ]
        self.found.write_text(json.dumps({"seconds": self.seconds, "lines": lines, "libraries": libraries}))


class Chosen:
    """Plugin: of the tests that were collected only these run, the quickest first; leaves no bytecode."""

    def __init__(self, tests: Collection[str], seconds: dict[str, float]) -> None:
        self.tests, self.seconds = frozenset(tests), seconds

    def pytest_sessionstart(self) -> None:
        sys.dont_write_bytecode = True

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.tests), key=lambda item: self.seconds[item.nodeid]
        )
