"""`ttscale reproduce` as a user meets it."""

import json

import pytest

from ttscale.reproduce.protocol import Above, Claim, Figure, System, catalogue, page


@pytest.fixture
def quick(monkeypatch):
    """A system that takes no time."""
    claim = Claim(
        name="a",
        text="It gains.",
        number="5 points",
        source="abstract",
        effect="gain",
        criterion=Above(0.0),
        measure=lambda lab: Figure(0.5, 0.25, 0.75, "9 questions"),
    )
    system = System(name="first-finish-search", claims=(claim,))
    for module in (catalogue, page):
        monkeypatch.setattr(module, "load", lambda entry: system)
    return system


def test_a_verdict_with_figure_interval_and_criterion(cli, quick):
    said = " ".join(cli("reproduce", "first_finish_search").stdout.split())
    assert "reproduced It gains. 5 points 0.5 [0.25, 0.75], 9 questions the interval lies above 0" in said


def test_json_names_what_a_result_must_carry(cli, quick):
    (result,) = json.loads(cli("reproduce", "first-finish-search", "--json").stdout)["results"]
    assert result["criterion"] == quick.criterion_hash
    assert result["findings"][0]["verdict"] == "reproduced"
    assert {"commit", "seed", "seconds", "generated", "read", "calls"} <= result.keys()


def test_the_list_has_all_systems(cli):
    listed = json.loads(cli("reproduce", "--list", "--json").stdout)["systems"]
    assert len(listed) == 62
    assert {"name", "family", "built", "methods", "verdict"} == listed[0].keys()
    ffs = next(entry for entry in listed if entry["name"] == "first-finish-search")
    assert (ffs["built"], ffs["methods"]) == (True, ["ffs", "lfs"])
    assert ffs["verdict"] in ("reproduced", "refuted", "not visible here", "needs")
    assert all(entry["verdict"] is None for entry in listed if not entry["built"])


def test_a_page_with_the_curves(cli, quick, tmp_path):
    pytest.importorskip("plotly")
    assert cli("reproduce", "first-finish-search", "--html", str(tmp_path / "r.html")).exit_code == 0
    page = (tmp_path / "r.html").read_text()
    assert "It gains." in page
    assert "0.5 [0.25, 0.75], 9 questions" in page


def test_a_result_file_is_kept(cli, quick, tmp_path):
    cli("reproduce", "first-finish-search", "--save", str(tmp_path / "kept"))
    kept = json.loads((tmp_path / "kept" / "first-finish-search.json").read_text())
    assert kept["findings"][0]["figure"]["value"] == 0.5


def test_what_is_not_known_or_not_built_is_said(refuses):
    assert "first-finish-search" in refuses("reproduce", "first-finish-serch", code=2)
    assert "no system is named" in refuses("reproduce", code=2)
    assert "--all and names" in refuses("reproduce", "--all", "arise", code=2)


def test_a_system_without_a_file_gets_a_first_version_that_loads(cli, tmp_path, monkeypatch):
    entry = next(entry for entry in catalogue.published().values() if not entry.built)
    from ttscale import reproduce as package

    monkeypatch.setattr(package, "__file__", str(tmp_path / "__init__.py"))
    assert cli("reproduce", entry.name, "--new").exit_code == 0
    source = (tmp_path / f"{entry.module}.py").read_text()
    scope = {"__name__": "ttscale.reproduce.fresh", "__package__": "ttscale.reproduce"}
    exec(compile(source, "fresh.py", "exec"), scope)
    assert scope["SYSTEM"].name == entry.name
    again = cli("reproduce", entry.name, "--new")
    assert (again.exit_code, "has a file already" in again.stderr) == (2, True)
