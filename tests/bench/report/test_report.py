"""Rows, tables, plots: what a reader is shown."""

from __future__ import annotations

import errno
import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from recorded_benches import bench, recording
from rich.console import Console

from ttscale.bench.report.html import html, write_html
from ttscale.bench.report.plots import curve_of, figures, frontier, styles
from ttscale.bench.report.png import write_png
from ttscale.bench.report.table import tables, width_of
from ttscale.core import StoreError, UsageError

METHODS = ("simple", "sc(n=4)", "sc(n=8)", "ffs(n=8, k=1)")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return list(bench(tmp_path_factory.mktemp("report"), recording(), *METHODS).values())


def test_rows_have_the_promised_keys(found):
    row = found[0].as_dict()
    assert {
        "method",
        "model",
        "task",
        "items",
        "repeats",
        "accuracy",
        "accuracy_ci",
        "errors",
        "completion_tokens_total",
        "completion_tokens_mean",
        "sequential_tokens_mean",
        "cancelled_tokens_mean",
        "seconds_mean",
        "samples_mean",
    } <= row.keys()
    assert row["completion_tokens_total"] == row["completion_tokens_mean"] * row["items"]


def test_the_split_adds_up_to_all_tokens(found):
    for row in found:
        parts = (row.useful_tokens_mean, row.cut_tokens_mean, row.cancelled_tokens_mean)
        assert sum(parts) == pytest.approx(row.completion_tokens_mean)


def test_the_frontier_holds_what_nobody_beats(found):
    best = frontier(found, lambda row: row.completion_tokens_mean)
    tokens, right = zip(*((row.completion_tokens_mean, row.accuracy) for row in best))
    assert list(tokens) == sorted(tokens)
    assert list(right) == sorted(set(right))
    for row in found:
        equal_or_better = [
            other
            for other in best
            if other.completion_tokens_mean <= row.completion_tokens_mean and other.accuracy >= row.accuracy
        ]
        assert equal_or_better, row.method


def test_settings_that_scale_compute_make_one_curve(found):
    assert [curve_of(row) for row in found] == ["simple", "sc", "sc", "ffs(k=1)"]
    style = styles(found)
    assert style["sc(n=4)"][0] == style["sc(n=8)"][0]
    assert style["sc(n=4)"][1] != style["sc(n=8)"][1]
    assert [f["layout"]["title"]["text"] for f in figures(found)] == [
        "Accuracy and what it costs",
        "Accuracy and latency",
        "Scaling",
        "Where the tokens go",
    ]


def test_the_page_needs_nothing_from_outside(found):
    page = html(found, {"seed": 0, "models": ["replay:x.csv"]})
    ours = page.replace(page[page.index("<script>") : page.index("</script>")], "")
    assert not re.search(r"(src|href)=\"(https?:)?//", ours)
    plots = json.loads(re.search(r"const figures = (\{.*\});", page)[1].replace("<\\/", "</"))
    assert len(plots) == 4
    assert "sc(n=8)" in page


def test_names_cannot_break_out_of_the_page(found, tmp_path):
    import dataclasses

    evil = dataclasses.replace(found[0], model="</script><script>alert(1)</script>")
    page = html([evil], {"seed": 0})
    assert "<script>alert" not in page


def test_a_row_without_answers_is_listed_but_not_plotted(found, tmp_path):
    import dataclasses

    empty = dataclasses.replace(
        found[0],
        method="dead",
        items=0,
        accuracy=None,
        accuracy_ci=None,
        errors=5,
        completion_tokens_mean=None,
        sequential_tokens_mean=None,
        samples_mean=None,
    )
    assert "dead" in html([*found, empty], {})
    write_png(tmp_path / "x.png", [*found, empty])
    with pytest.raises(UsageError, match="no results"):
        html([], {})


def test_files_are_written(found, tmp_path):
    write_html(tmp_path / "deep" / "r.html", found, {"seed": 0})
    assert (tmp_path / "deep" / "r.html").read_text().startswith("<!doctype html>")
    write_png(tmp_path / "r.png", found)
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("terminal", [True, False])
def test_no_name_and_no_figure_is_cut_however_narrow_the_terminal(found, width, terminal):
    found = [replace(row, method=f"{row.method}(a_long_name_of_a_setting=123456)") for row in found]
    for table in tables(found):
        console = Console(width=width, file=StringIO(), force_terminal=terminal, color_system=None)
        console.width = max(console.width, width_of(table, console))
        console.print(table)
        text = console.file.getvalue()
        assert "…" not in text
        assert "123456)" in text.replace("\n", "").replace(" ", "") or terminal
        for row in found:
            assert f"{row.sequential_tokens_mean:,.0f}" in text
        if not terminal:  # a line each
            assert all(row.method in text for row in found)


def test_a_page_that_cannot_be_written_leaves_nothing_behind(found, tmp_path, monkeypatch):
    def full(self, *_, **__):
        self.write_bytes(b"half a page")
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StoreError, match="free some space") as told:
        write_html(tmp_path / "page.html", found, {})
    assert "resume" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_the_terminal_table_names_every_method(found):
    console = Console(width=140, file=StringIO())
    for table in tables(found):
        console.print(table)
    text = console.file.getvalue()
    assert all(method in text for method in METHODS)
    assert "5 questions" in text
