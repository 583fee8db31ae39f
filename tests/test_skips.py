"""What the run says about tests that were skipped, and what continuous integration may not skip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest

@pytest.mark.parametrize("i", range(3))
def test_page(i):
    pytest.skip("no browser here")

@pytest.mark.skipif(True, reason="no sandbox here")
def test_sandbox(): ...

def test_passes(): ...
"""


def run_pytest(folder: Path, before: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run TESTS under this suite's conftest, after the Python code `before`."""
    (folder / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    (folder / "test_it.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    code = f"{before}\nimport pytest\nraise SystemExit(pytest.main(['-q', '-p', 'no:cacheprovider']))"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "CI": "", **environ},
        capture_output=True,
        text=True,
    )


def test_the_last_lines_count_the_skips_by_reason(tmp_path):
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stderr
    title, *reasons, closing = done.stdout.splitlines()[-4:]
    assert " 4 skipped " in title
    assert reasons == ["   3  no browser here", "   1  no sandbox here"]
    assert closing.startswith("1 passed, 4 skipped")


def test_continuous_integration_without_torch_fails(tmp_path):
    without_torch = "import sys; sys.modules['torch'] = None"
    done = run_pytest(tmp_path, without_torch, CI="true")
    assert done.returncode != 0
    assert "there is no torch" in done.stderr
