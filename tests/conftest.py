"""What all tests share; the test doubles live in `fakes.py` beside this file."""

from __future__ import annotations

import os
import signal
from collections import Counter
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings

# Continuous integration tries the same examples each time; new ones are found on a developer's machine.
settings.register_profile(
    "ttscale",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    derandomize=os.environ.get("CI") == "true",
)
settings.load_profile("ttscale")

# The models of these tests are tiny: a second thread brings nothing, and where another process has
# the cores the threads wait for each other (measured: 37 s in place of 0.8 s).
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell's background job ignores Ctrl-C and its children inherit that; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    """Continuous integration that lost its torch would skip a tenth of the tests and stay green."""
    if os.environ.get("CI") == "true" and find_spec("torch") is None:
        raise pytest.UsageError("CI=true and there is no torch: make test EXTRAS=dev,torch,train")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Above the closing line: how many tests were skipped, and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.section(f"{len(skipped)} skipped", sep="-")
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:4}  {reason}")


@pytest.fixture(autouse=True)
def _no_server_is_remembered(tmp_path, monkeypatch):
    """What a test finds out about a server is not believed of another on the same port."""
    from ttscale.engines.catalogue import downloads
    from ttscale.engines.openai import findings

    monkeypatch.setattr(downloads, "server_cache", lambda: tmp_path / "servers")
    findings.forget()
