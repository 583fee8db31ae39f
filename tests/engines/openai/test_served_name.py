"""Which of a server's models is meant where a specification names none."""

from __future__ import annotations

import pytest

from ttscale.core import ModelNotFound
from ttscale.engines.openai.probe import served_name

BASE, ADAPTER = {"id": "base", "parent": None}, {"id": "sql-lora", "parent": "base"}


@pytest.mark.parametrize(
    ("served", "likely", "name"),
    [
        ([], "", ""),
        ([], "mine", "mine"),  # it keeps its list to itself
        ([{"id": "a"}], "", "a"),
        ([{"id": "a"}], "mine", "a"),
        ([{"id": "a"}, {"id": "mine"}], "mine", "mine"),
        ([{"id": "qwen3:8b"}, {"id": "qwen3:latest"}], "qwen3", "qwen3:latest"),
        ([ADAPTER, BASE], "mine", "base"),
        ([ADAPTER, BASE], "sql-lora", "sql-lora"),
        ([ADAPTER], "", "sql-lora"),
    ],
)
def test_it_is_the_likely_one_or_the_only_one(served, likely, name):
    assert served_name(served, likely, "server x") == name


def test_several_others_are_named_and_none_is_taken():
    served = [{"id": f"m{number}"} for number in range(12)]
    with pytest.raises(ModelNotFound, match=r"12 models, none of them called 'mine'.*: m0, m1"):
        served_name(served, "mine", "server x")
    with pytest.raises(ModelNotFound, match="server x has 12 models: "):
        served_name(served, "", "server x")
