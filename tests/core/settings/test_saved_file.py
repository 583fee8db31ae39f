"""A saved file comes back as it was, is read once, and says what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ttscale.core import RecordError, SavedFile, UsageError


def numbers(content) -> list[int]:
    if not content["numbers"]:
        raise UsageError("it is empty")
    return list(content["numbers"])


FILE = SavedFile("list of numbers", 3, numbers, kind="numbers", fix="count some")


def test_what_is_saved_comes_back(tmp_path: Path):
    FILE.save(tmp_path / "n.json", {"numbers": np.array([1, 2])})
    assert FILE.load(tmp_path / "n.json") == [1, 2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", r"the list of numbers '.*n\.json' is not JSON"),
        ("[]", r"'.*n\.json' is not a list of numbers: count some"),
        ('{"version": 3, "numbers": [1]}', "is not a list of numbers"),
        ('{"kind": "numbers", "version": 2}', "has version 2, not 3: make it again"),
        ('{"kind": "numbers", "version": 3}', "is not a list of numbers: KeyError 'numbers'"),
        ('{"kind": "numbers", "version": 3, "numbers": []}', "it is empty"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_what_to_do(tmp_path: Path, text, says):
    (tmp_path / "n.json").write_text(text)
    for read in (FILE.load, FILE.cached):
        with pytest.raises(RecordError, match=says):
            read(tmp_path / "n.json")


def test_a_missing_file_says_how_to_get_one(tmp_path: Path):
    for read in (FILE.load, FILE.cached):
        with pytest.raises(RecordError, match=r"cannot read the list of numbers .*: count some"):
            read(tmp_path / "n.json")


def test_a_file_is_read_once_until_it_changes(tmp_path: Path):
    path = tmp_path / "n.json"
    FILE.save(path, {"numbers": [1]})
    first = FILE.cached(path)
    assert FILE.cached(str(path)) is first
    FILE.save(path, {"numbers": [2]})
    os.utime(path, ns=(0, 1))  # clocks may be too coarse to tell the two writes apart
    assert FILE.cached(path) == [2]
