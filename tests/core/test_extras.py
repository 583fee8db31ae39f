"""The command that installs an extra works from where the user stands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ttscale.core import extras, install_command

ROOT = Path(__file__).parents[2]
COMMIT = "0123456789abcdef"


def test_a_checkout_is_named_from_where_the_user_stands(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert install_command("torch").endswith(" '.[torch]'")
    monkeypatch.chdir(tmp_path)
    assert install_command("torch").endswith(f" '{ROOT}[torch]'")


@pytest.mark.parametrize(
    ("has_pip", "found", "installer"),
    [
        (True, "pip", "pip install"),
        (True, None, "{python} -m pip install"),
        (True, "../other/bin/pip", "{python} -m pip install"),
        (False, "../other/bin/pip", "uv pip install --python {python}"),
    ],
    ids=["its own", "none on the path", "another's", "made by uv"],
)
def test_it_installs_into_the_python_that_runs(has_pip, found, installer, monkeypatch, tmp_path):
    python = tmp_path / "my env" / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(extras, "find_spec", lambda name: object() if has_pip else None)
    monkeypatch.setattr(shutil, "which", lambda name: found and str(python.parent / found))
    assert install_command("torch").startswith(installer.format(python=f"'{python}'") + " ")


@pytest.mark.parametrize(
    ("noted", "requirement"),
    [
        (None, "'ttscale[torch]'"),
        ({"url": "{sources}", "dir_info": {}}, "'{folder}[torch]'"),
        ({"url": "{sources}/gone", "dir_info": {"editable": True}}, "'ttscale[torch]'"),
        (
            {"url": "https://h/t.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            f"'ttscale[torch] @ git+https://h/t.git@{COMMIT}'",
        ),
        (
            {"url": "https://h/ttscale-1.whl", "archive_info": {}},
            "'ttscale[torch] @ https://h/ttscale-1.whl'",
        ),
    ],
    ids=["index", "folder", "folder that is gone", "repository", "file"],
)
def test_what_was_installed_is_named_as_it_was_installed(noted, requirement, tmp_path):
    sources, site = tmp_path / "so urces", tmp_path / "site"
    shutil.copytree(ROOT / "src" / "ttscale" / "core", site / "ttscale" / "core")
    shutil.copy(ROOT / "src" / "ttscale" / "__init__.py", site / "ttscale")
    sources.mkdir()
    (sources / "pyproject.toml").write_text('[project]\nname = "ttscale"\n')
    info = site / "ttscale-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ttscale\nVersion: 0.1\n")
    if noted is not None:
        noted = {**noted, "url": noted["url"].format(sources=sources.as_uri())}
        (info / "direct_url.json").write_text(json.dumps(noted))
    code = "from ttscale.core.extras import install_command; print(install_command('torch'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith(" " + requirement.replace("{folder}", str(sources)))


def test_no_message_names_an_index_by_itself():
    sources = (ROOT / "src").rglob("*.py")
    assert [str(p) for p in sources if "pip install 'ttscale" in p.read_text(encoding="utf-8")] == []
