"""The documents hold: their code runs, their commands exist, generated pages are fresh."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

from ttscale.cli import COMMANDS, main, manual
from ttscale.cli.config import load
from ttscale.engines.recordings.columns import ALIASES
from ttscale.methods import registry

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def fenced(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def test_the_method_in_the_guide_runs(capsys, monkeypatch):
    monkeypatch.setattr(registry, "_METHODS", dict(registry.methods()))  # leaves no trace
    source = "\n".join(fenced("writing-a-method.md", "python"))
    guide = ModuleType("guide")
    monkeypatch.setitem(sys.modules, "guide", guide)  # dataclasses look their module up
    exec(compile(source, "writing-a-method.md", "exec"), guide.__dict__)
    answer, stopped_by, samples = capsys.readouterr().out.split()
    assert (answer, stopped_by, int(samples) % 2) == ("right", "agreement", 0)
    assert registry.parse("agreeing-pair(max_pairs=4)").cfg.max_pairs == 4


def test_the_python_on_the_first_page_runs(capsys):
    exec(fenced("index.md", "python")[0], {})
    samples, _, stopped_by = capsys.readouterr().out.split()
    assert (samples, stopped_by) == ("5", "n_samples")


def test_the_columns_in_the_guide_are_those_that_are_known():
    text = (DOCS / "replay.md").read_text(encoding="utf-8")
    for what, names in ALIASES.items():
        assert f"| {what} | {', '.join(f'`{name}`' for name in names)} |" in text


def test_the_bench_on_the_first_page_gives_its_table(cli, own_home):
    (own_home / "folder" / "samples.csv").write_text(fenced("index.md", "csv")[0])
    block = next(b for b in fenced("index.md", "console") if "bench run" in b)
    command, *table = block.splitlines()
    done = cli(*shlex.split(command)[2:])
    shown = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for line in table:
        assert " ".join(line.split()) in shown


def test_the_command_reference_is_up_to_date():
    kept = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert kept == manual.page(), "run: python -m ttscale.cli.manual > docs/cli.md"


def test_the_config_in_the_guide_is_valid(own_home):
    (own_home / "folder" / "ttscale.toml").write_text("\n".join(fenced("models.md", "toml")))
    assert load().aliases
    assert load().providers


@pytest.mark.parametrize("page", [p.name for p in PAGES])
def test_commands_in_the_documents_exist(page):
    """Every `ttscale ...` line parses: the command and all its options are known."""
    for block in fenced(page, "console") + fenced(page, "bash") + fenced(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.removeprefix("$ ").strip()
            if not line.startswith("ttscale "):
                continue
            words = shlex.split(re.split(r"\s[|>]\s", line)[0], comments=True)[1:]
            command: click.Command = main
            while (
                words
                and isinstance(command, click.Group)
                and words[0] in (COMMANDS if command is main else command.commands)
            ):
                found = command.get_command(click.Context(command), words.pop(0))
                assert found is not None
                command = found
            known = {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)}
            asked = {word.split("=")[0] for word in words if word.startswith("--")}
            assert asked <= known | {"--help"}, line


@pytest.mark.parametrize("page", [p.name for p in PAGES])
def test_links_between_documents_lead_somewhere(page):
    for target in re.findall(r"\]\(([\w./-]+\.md)", (DOCS / page).read_text(encoding="utf-8")):
        assert (DOCS / target).is_file(), target
