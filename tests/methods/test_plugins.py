"""Methods of other packages: loaded like our own, and left out by name where they cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

METHOD = '''
from ttscale.core import Card, Outcome, declared
from ttscale.methods import method

@declared
class Config:
    """n: samples."""
    n: int = 1

@method(card=Card(name={name!r}, title="Mine", what="parallel", stops="one sample"))
async def mine(problem, ctx, cfg: Config):
    trace = await ctx.sample(problem.prompt)
    return Outcome(problem.answer(trace), trace, trace.finish)
'''
BROKEN = {
    "import": ("import no_such_module_anywhere", "ModuleNotFoundError"),
    "syntax": ("def (:", "SyntaxError"),
    "exit": ("import sys; sys.exit(3)", "SystemExit"),
    "taken": (METHOD.format(name="esc"), "taken by"),
    "half": (METHOD.format(name="half-done") + "\nraise RuntimeError('so near')", "so near"),
    "shape": ("from ttscale.methods import method\nmethod(card=3)(lambda: 0)", "AttributeError"),
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts packages with one module of methods each where a process started later finds them."""

    def installed(**modules: str) -> None:
        for name, source in modules.items():
            (tmp_path / f"{name}_methods.py").write_text(source)
            info = tmp_path / f"tts_{name}-1.2.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tts-{name}\nVersion: 1.2\n")
            (info / "entry_points.txt").write_text(f"[ttscale.methods]\n{name} = {name}_methods\n")

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return installed


def ttscale(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ttscale", *args]
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), timeout=120)


def test_a_plugin_whose_methods_load_has_them_beside_ours(install):
    install(good=METHOD.format(name="my-own"))
    for name in ("my_own", "my-own"):
        done = ttscale("methods", "show", name, "--json")
        assert json.loads(done.stdout)["name"] == "my-own", done.stderr


def test_broken_plugins_are_named_and_left_out_and_all_others_work(install):
    install(good=METHOD.format(name="my-own"), **{name: source for name, (source, _) in BROKEN.items()})
    done = ttscale("methods", "list", "--json")
    names = {method["name"] for method in json.loads(done.stdout)}
    assert {"my-own", "esc", "self-consistency"} <= names
    assert "half-done" not in names
    assert done.stderr.count("are left out") == len(BROKEN)
    assert "Traceback" not in done.stderr
    done = ttscale("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    for name, (_, why) in BROKEN.items():
        check = checks[f"plugin tts-{name} 1.2"]
        assert (check["state"], check["fix"]) == (
            "broken",
            f"pip install --upgrade tts-{name}, or pip uninstall tts-{name}",
        )
        assert f"{name} = {name}_methods cannot be loaded" in check["detail"]
        assert why in check["detail"]
    assert checks["core"]["state"] == "ok"
    assert "plugin tts-good 1.2" not in checks
    assert done.returncode == 1


def test_a_broken_plugin_is_no_concern_of_those_who_use_a_built_in_method(install):
    install(broken=BROKEN["exit"][0])
    done = ttscale("methods", "show", "esc", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    done = ttscale("methods", "show", "nothing")
    assert done.returncode == 2
    assert "tts-broken 1.2" in done.stderr
