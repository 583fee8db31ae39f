"""The command as a whole: it starts fast, helps, and ends in the way it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ttscale import __version__
from ttscale.cli import COMMANDS, main, output
from ttscale.core import StoreError, UsageError

HEAVY = ("numpy", "scipy", "aiohttp", "rich", "orjson", "math_verify", "sympy", "ttscale.core")


def ttscale(*args: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ttscale", *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )  # type: ignore[call-overload]


def test_help_imports_nothing_heavy():
    code = (
        "import sys, ttscale.cli\n"
        "try: ttscale.cli.main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_takes_less_processor_time_than_half_a_second():
    before = os.times()
    assert ttscale("--help").returncode == 0
    after = os.times()
    assert after.children_user - before.children_user < 0.5


def test_help_shows_every_command_with_the_words_of_the_command_itself(cli):
    shown = cli("--help").stdout
    for name, (_, about) in COMMANDS.items():
        assert name in shown
        assert about in shown
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.get_short_help_str(limit=200) == about


def _every_command() -> list[list[str]]:
    found = [[]]
    for name in COMMANDS:
        found.append([name])
        command = main.get_command(click.Context(main), name)
        if isinstance(command, click.Group):
            found += [[name, child] for child in command.list_commands(click.Context(command))]
    return found


@pytest.mark.parametrize("path", _every_command(), ids=" ".join)
def test_every_command_explains_itself(cli, path):
    for flag in ("--help", "-h"):
        done = cli(*path, flag)
        assert done.exit_code == 0
        assert done.stdout.startswith("Usage: ttscale")


@pytest.mark.parametrize("path", [p for p in _every_command() if p], ids=" ".join)
def test_every_command_that_has_results_takes_json(path):
    command = main.get_command(click.Context(main), path[0])
    for name in path[1:]:
        command = command.get_command(click.Context(command), name)
    if isinstance(command, click.Group) or path == ["completion"]:
        return
    assert "--json" in [flag for p in command.params for flag in p.opts]


def test_module_and_version():
    done = ttscale("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"ttscale {__version__}")


@pytest.mark.parametrize("path", [[], ["bench"]], ids=" ".join)
def test_a_group_without_a_command_shows_its_help(cli, path):
    done = cli(*path)
    assert done.exit_code == 2
    assert done.stderr.startswith("Usage: ttscale")
    assert "\nCommands:\n" in done.stderr


def test_unknown_command_names_the_nearest(refuses):
    assert "did you mean 'solve'?" in refuses("slove", code=2)


def test_unknown_option_names_the_help(refuses):
    assert "see ttscale methods list --help" in refuses("methods", "list", "--bogus", code=2)


def test_json_error_is_one_document_on_stdout_and_nothing_else():
    done = ttscale("methods", "show", "nope", "--json")
    assert done.returncode == 2
    assert done.stderr == ""
    assert json.loads(done.stdout)["error"]["type"] == "UnknownName"


def test_json_after_a_double_dash_is_text():
    assert not output.flagged("--json", ["solve", "--", "--json"])


def test_debug_shows_the_traceback():
    done = ttscale("methods", "show", "nope", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: unknown method 'nope'")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_full_disk_is_an_error_with_its_own_code():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ttscale", "methods"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == StoreError.exit_code
    assert done.stderr.startswith("error: the disk is full")
    assert len(done.stderr.splitlines()) == 1


def test_reader_that_leaves_early_hears_no_complaint():
    shell = f"{sys.executable} -m ttscale methods list --markdown | head -n 1"
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("# Methods\n", "")


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_interrupt_ends_with_130_and_without_a_traceback(flags):
    waiting = subprocess.Popen(
        [sys.executable, "-m", "ttscale", "solve", "-", *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stdin is not None
    waiting.stdin.write("a question that never ends " * 10_000)  # more than a pipe holds:
    waiting.stdin.flush()  # it has begun to read
    waiting.send_signal(signal.SIGINT)
    stdout, stderr = waiting.communicate(timeout=20)
    # either way a shell reports 130: Python dies of the signal where it met it in generated code
    assert waiting.returncode in (130, -signal.SIGINT)
    if flags:
        assert json.loads(stdout)["error"]["exit_code"] == 130
        assert stderr.strip() == ""
    else:
        assert (stdout, stderr.strip()) == ("", "interrupted")


@pytest.mark.parametrize("module", ["click", "ttscale.cli.output", "ttscale.cli.commands.solve"])
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_an_interrupt_while_modules_load_ends_with_130_too(module, flags):
    code = f"""
import sys
class Interrupts:
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts)
sys.argv = ["ttscale", "solve", "x", *{flags!r}]
from ttscale.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    if flags:
        assert json.loads(done.stdout)["error"]["exit_code"] == 130
        assert done.stderr.strip() == ""
    else:
        assert (done.stdout, done.stderr.strip()) == ("", "interrupted")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(cli, shell):
    done = cli("completion", shell)
    assert done.exit_code == 0
    assert "_TTSCALE_COMPLETE" in done.stdout


def test_completion_of_commands():
    env = {**os.environ, "_TTSCALE_COMPLETE": "bash_complete", "COMP_WORDS": "ttscale me", "COMP_CWORD": "1"}
    assert "plain,methods" in ttscale(env=env).stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ttscale methods show ff", "plain,ffs"),
        ("ttscale bench run -m self", "plain,self-consistency"),
        ("ttscale solve x --method sc", "plain,sc"),
        ("ttscale solve x --model tiny-", "plain,tiny-small"),
        ("ttscale bench run --model repl", "plain,replay:"),
        ("ttscale models pull smol", "plain,smollm2-135m"),
        ("ttscale bench run --model my-", "plain,my-alias"),
    ],
)
def test_completion_of_methods_and_models(words, offered, tmp_path):
    config = tmp_path / "ttscale.toml"
    config.write_text("[models]\nmy-alias = 'synthetic:p=1'\n")
    env = {
        **os.environ,
        "_TTSCALE_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
        "TTSCALE_CONFIG": str(config),
    }
    done = ttscale(env=env)
    assert offered in done.stdout.splitlines()
    config.write_text("[mdoels]\n")
    assert "Traceback" not in ttscale(env=env).stderr


def test_an_unforeseen_error_is_one_line_too():
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError("by zero")

    def invoke() -> None:
        CliRunner().invoke(broken, standalone_mode=False, catch_exceptions=False)

    assert output.run(invoke, []) == 1
    assert str(output.known(ZeroDivisionError("by zero"))) == (
        "ZeroDivisionError: by zero: this is a bug; --debug shows where"
    )


def test_a_missing_file_is_the_users_error():
    error = output.known(FileNotFoundError(2, "No such file or directory", "x.csv"))
    assert isinstance(error, UsageError)
    assert str(error).startswith("No such file or directory: x.csv")
