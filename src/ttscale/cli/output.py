"""What the command writes and how it ends: results on stdout, everything else on stderr.

One place turns whatever went wrong into one line with the fix, or with `--json` into one JSON
document, and an exit code. Heavy modules are imported late: `--help` goes through here too.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ..core import TTScaleError

Command = TypeVar("Command", bound=Callable[..., Any])

WORSE = 9  # of `bench compare --fail-if-worse`
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Fail(click.exceptions.Exit):
    """Ends a command whose result is already on stdout with an exit code of its own."""


def stdout() -> Console:
    """The console for results; plain text without a terminal."""
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 120)  # a file or a pipe is not wrapped
    return console


def stderr() -> Console:
    """The console for progress, notes and errors."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False)


def emit_json(document: Any) -> None:
    """Write one JSON document to stdout. What is not a number becomes null, paths become texts."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    click.echo(orjson.dumps(document, default=_plain, option=options))


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


def common(command: Command) -> Command:
    """The options every command has: `--json` (argument `as_json`) and `--debug`."""
    command = click.option(
        "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."
    )(command)
    return click.option(
        "--json", "as_json", is_flag=True, help="One JSON document on stdout; logs on stderr."
    )(command)


def flagged(flag: str, args: Sequence[str]) -> bool:
    """Whether a flag was given, looked up before parsing because parsing may be what fails."""
    before = args[: args.index("--")] if "--" in args else args
    return flag in before


def run(command: Callable[[], Any], args: Sequence[str]) -> int:
    """Run a command line and return its exit code; no traceback leaves here without `--debug`."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s", force=True)
    try:
        code = command()
        sys.stdout.flush()  # a full disk or a closed pipe shows here at the latest
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as help_error:  # a group without a command
        click.echo(help_error.format_message(), err=True)
        return help_error.exit_code
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (click.Abort, KeyboardInterrupt):
        described = {"type": "Interrupted", "message": "interrupted", "fix": None}
        if flagged("--json", args):
            emit_json({"error": {**described, "exit_code": INTERRUPTED}})
        else:
            click.echo(described["message"], err=True)
        return INTERRUPTED
    except BrokenPipeError:  # the reader has gone (`| head`): there is no one left to read it
        _abandon_stdout()
        return 1
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            _abandon_stdout()
        if flagged("--debug", args):
            import traceback

            traceback.print_exc(file=sys.stderr)
        return report(error, as_json=flagged("--json", args))


def _abandon_stdout() -> None:
    """Let what is still buffered go nowhere, or the interpreter's last flush would fail again."""
    if sys.stdout is sys.__stdout__:  # not one that a test put there
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def report(error: Exception, *, as_json: bool) -> int:
    """Tell the user about an error in the way asked for; returns the exit code."""
    described = describe(error)
    if as_json:
        emit_json({"error": described})
    else:
        click.echo(f"error: {' '.join(str(known(error)).split())}", err=True)
    return int(described["exit_code"])


def describe(error: Exception) -> dict[str, Any]:
    """An error, ready for JSON."""
    error = known(error)
    return {
        "type": type(error).__name__,
        "message": error.fact,
        "fix": error.fix,
        "exit_code": error.exit_code,
    }


def known(error: Exception) -> TTScaleError:
    """The error in the library's own terms, with a fix where there is one."""
    from ..core import StoreError, TTScaleError, UsageError

    if isinstance(error, TTScaleError):
        return error
    if isinstance(error, click.ClickException):
        where = getattr(error, "ctx", None)
        fix = f"see {where.command_path} --help" if where is not None else None
        return UsageError(error.format_message().rstrip("."), fix=fix)
    if isinstance(error, OSError) and error.errno in _FULL:
        path = f" while writing {error.filename}" if error.filename else ""
        return StoreError(f"the disk is full{path}", fix="free some space; what was finished before is kept")
    if isinstance(error, OSError) and error.filename:
        fact = f"{error.strerror or type(error).__name__}: {error.filename}"
        return UsageError(fact, fix="check the path and its permissions")
    if isinstance(error, ModuleNotFoundError):
        return UsageError(f"the Python package {error.name!r} is missing", fix="see ttscale doctor")
    if isinstance(error, UnicodeError):
        return UsageError(f"what was given is not text ({error})", fix="encode it as UTF-8")
    fact = f"{type(error).__name__}: {error}"
    return TTScaleError(fact, fix="this is a bug; --debug shows where")
