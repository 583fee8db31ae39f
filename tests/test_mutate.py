"""tools/mutate.py on a module of three lines, of which the tests know two."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cosmic_ray", reason="needs the extra ttscale[mutate]")
pytestmark = pytest.mark.slow

TOOL = Path(__file__).parents[1] / "tools" / "mutate.py"
MODULE = """\
def share(part: int | None, whole: int) -> float:
    return part / whole


def is_adult(age):
    return age >= 18
"""
TESTS = """\
from toy import is_adult, share

def test_share():
    assert share(1, 4) == 0.25

def test_is_adult():
    assert is_adult(40) and not is_adult(3)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "src").mkdir(parents=True)
    (root / "src" / "toy.py").write_text(MODULE)
    (root / "tests").mkdir()
    (root / "tests" / "test_toy.py").write_text(TESTS)
    (root / "pytest.ini").write_text(
        "[pytest]\nmarkers = slow\nasyncio_default_fixture_loop_scope = function\n"
    )
    return root


def mutate(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), "toy", "--root", str(root), "--seed", "1", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=root)


def test_a_fault_the_tests_know_is_killed_and_another_survives_as_a_diff(tree, tmp_path):
    log = tmp_path / "log.jsonl"
    done = mutate(tree, "--n", "9", "--log", str(log), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    (row,) = said["modules"]
    # a fault for each of `/`, `>=` and `18`; none for the annotation
    assert (row["planted"], row["killed"], row["share"]) == (3, 2, 0.667)
    (survivor,) = said["survivors"]
    assert survivor["line"] == 6
    assert "-    return age >= 18\n+    return age" in survivor["diff"]
    assert (tree / "src" / "toy.py").read_text() == MODULE
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:2]))
    again = mutate(tree, "--n", "9", "--log", str(log), "--json")
    assert json.loads(again.stdout)["modules"][0]["planted"] == 3
    assert len(log.read_text().splitlines()) == 3


def test_a_test_that_hangs_on_a_fault_is_ended(tree):
    (tree / "src" / "toy.py").write_text("def count(n):\n    while n > 0:\n        n -= 1\n    return n\n")
    (tree / "tests" / "test_toy.py").write_text(
        "from toy import count\n\ndef test_count():\n    assert count(3) == 0\n"
    )
    done = mutate(tree, "--n", "9", "--timeout", "5", "--json")
    (row,) = json.loads(done.stdout)["modules"]
    assert row["timeouts"] > 0


def test_tests_that_fail_by_themselves_are_refused(tree):
    (tree / "src" / "toy.py").write_text(MODULE.replace("/", "*"))
    done = mutate(tree, "--n", "1")
    assert done.returncode == 1
    assert "fail without any fault" in done.stderr
