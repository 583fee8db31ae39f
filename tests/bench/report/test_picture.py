"""The picture of characters says where the figures lie."""

from __future__ import annotations

from recorded_benches import bench, recording

from ttscale.bench.report.picture import picture


def test_marks_stand_in_their_intervals_and_the_frontier_is_marked(tmp_path):
    rows = list(bench(tmp_path, recording(), "simple", "sc(n=8)", "sc(n=4)").values())
    lines = picture(rows, width=41).splitlines()
    _, *bars = lines
    assert [line.split()[1] for line in bars] == ["simple", "sc(n=4)", "sc(n=8)"], "the cheapest first"
    for row, line in zip(sorted(rows, key=lambda r: r.completion_tokens_mean), bars, strict=True):
        bar = line[2 + len("sc(n=4)") + 2 :][:41]
        left, right = len(bar) - len(bar.lstrip()), len(bar.rstrip()) - 1
        mark = next(i for i, c in enumerate(bar) if c in "●○")
        low, high = row.accuracy_ci
        assert abs((mark - left) / (right - left) - (row.accuracy - low) / (high - low)) < 0.05
    assert [line[0] for line in bars] == ["●", "○", "●"]
    assert len({len(line) for line in lines}) == 1


def test_without_golds_there_is_no_picture(tmp_path):
    (row,) = bench(tmp_path, recording(), "simple").values()
    row.accuracy = None
    assert picture([row]) == ""
