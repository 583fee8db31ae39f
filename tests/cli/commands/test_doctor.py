"""`ttscale doctor`: what it finds, and when it fails."""

from __future__ import annotations

import json

import pytest

from ttscale.cli.commands import doctor
from ttscale.core import install_command
from ttscale.engines.catalogue import downloads as engine_models


@pytest.fixture(autouse=True)
def nothing_bundled(monkeypatch, own_home):
    monkeypatch.setattr("ttscale.engines.catalogue.bundled.FOLDER", own_home / "no such file")


def checks(done) -> dict[str, dict]:
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_a_bare_installation_works(cli):
    done = cli("doctor", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["works"] is True
    found = checks(done)
    assert found["python"]["state"] == found["core"]["state"] == "ok"
    assert found["models"]["fix"] == "ttscale models pull smollm2-135m"


def test_every_finding_that_is_missing_or_broken_has_a_fix(cli):
    for check in checks(cli("doctor", "--json")).values():
        assert check["state"] == "ok" or check["fix"] or "not tried" in check["detail"]


def test_a_missing_extra_names_its_install_command(cli, monkeypatch):
    monkeypatch.setitem(doctor.EXTRAS, "parquet", (("no-such-package",), "Parquet files"))
    shown = cli("doctor").stdout
    assert "missing extra parquet: Parquet files: no no-such-package" in shown
    assert f"fix: {install_command('parquet')}" in shown


def test_a_broken_config_is_a_failure(cli, own_home):
    (own_home / "folder" / "ttscale.toml").write_text("[modles]\n")
    done = cli("doctor", "--json")
    assert done.exit_code == 2
    assert checks(done)["config"]["fix"] == "did you mean 'models'?"


def test_an_unset_key_is_named(cli, own_home):
    text = '[models]\nmine = "openai:m@http://h?key_env=NO_SUCH_KEY"\n'
    (own_home / "folder" / "ttscale.toml").write_text(text)
    assert "not set: NO_SUCH_KEY" in checks(cli("doctor", "--json"))["config"]["detail"]


def test_a_recording_says_which_methods_run_on_it(cli, own_home):
    rows = "question,sample,tokens,answer,reference\n7,0,30,42,42\n7,1,20,41,42\n"
    (own_home / "folder" / "rows.csv").write_text(rows)
    found = checks(cli("doctor", "--model", "replay:rows.csv", "--json"))
    assert "1 questions, at least 2 samples each" in found["model replay:rows.csv"]["detail"]
    assert "self-consistency" in found["methods"]["detail"]
    assert found["method beam-search"]["state"] == "missing"


def test_a_model_that_cannot_be_used_is_a_failure_with_its_code(cli):
    done = cli("doctor", "--model", "openai:m@http://127.0.0.1:9/v1", "--json")
    assert done.exit_code == 3
    assert checks(done)["model openai:m@http://127.0.0.1:9/v1"]["state"] == "broken"


@pytest.mark.real
@pytest.mark.slow
def test_the_embedded_engine_really_draws(cli, monkeypatch, tmp_path_factory):
    pytest.importorskip("xllamacpp")
    monkeypatch.undo()  # the user's own cache: this test wants what was fetched before
    if not engine_models.is_cached("smollm2-135m"):
        pytest.skip("smollm2-135m has not been fetched")
    assert checks(cli("doctor", "--json"))["embedded engine"]["state"] == "ok"
