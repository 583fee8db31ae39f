"""What an optional part needs: the command that installs it from where this package came from."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_NAME = "ttscale"


def install_command(extra: str) -> str:
    """The command that brings an extra, typed in the current folder."""
    folder = _checkout()
    if folder is None:
        return f"{_installer()} {shlex.quote(_requirement(extra))}"
    here = "." if folder == Path.cwd().resolve() else str(folder)
    return f"{_installer()} {shlex.quote(f'{here}[{extra}]')}"


def _installer() -> str:
    """What installs into the Python that runs: a pip on the path may be another's, and environments made
    by uv have none."""
    python = shlex.quote(sys.executable)
    if find_spec("pip") is None:
        return f"uv pip install --python {python}"
    found = shutil.which("pip")
    own = found is not None and Path(found).parent == Path(sys.executable).parent
    return "pip install" if own else f"{python} -m pip install"


def _checkout() -> Path | None:
    """The folder of the sources that run, or that were installed; None if there is none."""
    own = Path(__file__).resolve().parents[3]
    if _is_project(own):
        return own
    url = urlsplit(_origin().get("url", ""))
    installed = Path(unquote(url.path)).resolve()
    return installed if url.scheme == "file" and _is_project(installed) else None


def _is_project(folder: Path) -> bool:
    """Whether pip can install this package from a folder."""
    file = folder / "pyproject.toml"
    return file.is_file() and f'name = "{_NAME}"' in file.read_text(encoding="utf-8", errors="replace")


def _requirement(extra: str) -> str:
    """The package with an extra: from the repository or the file it came from, else an index."""
    origin = _origin()
    url, repository = origin.get("url", ""), origin.get("vcs_info", {})
    if repository:
        url = f"{repository.get('vcs')}+{url}@{repository.get('commit_id')}"
    return f"{_NAME}[{extra}] @ {url}" if url and "dir_info" not in origin else f"{_NAME}[{extra}]"


def _origin() -> dict[str, Any]:
    """What pip has noted about where the package came from (PEP 610); nothing for an index."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        noted = distribution(_NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        return {}
    return json.loads(noted) if noted else {}
