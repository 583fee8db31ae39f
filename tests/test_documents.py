"""Every command and every Python block of the README and the documents runs as it is printed.

A page's blocks run in order in one folder, as a reader would run them. A line before a block says what it
takes: `<!-- stand-in -->` a server at the printed port, which this test plays; `<!-- needs ... -->` and
`<!-- takes ... -->` what is not here, and those are counted below.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GENERATED = {"cli.md", "methods.md", "systems.md"}
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in GENERATED),
]
BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<language>\w+)\n(?P<body>.*?)^```", re.M | re.S)
LEFT_OUT = {
    "needs a GPU": 2,
    "needs a network": 7,
    "needs a model file": 3,
    "needs data": 1,
    "needs hosts of its own": 1,
    "needs recorded traffic": 2,
    "takes minutes": 2,
}
"""What is not run, and how many blocks there are of it."""
INSTALL = "pip install"  # the tests have it installed already
SAVED = {"index.md": ("csv", "samples.csv"), "tasks.md": ("jsonl", "questions.jsonl")}
"""Page -> the language of a block there and the name under which a reader saves it."""
ODD = "question,answer,reference,n_out,reward\n" + "".join(f"1,{n % 2},1,{10 + n},x\n" for n in range(4))

STAND_IN = Path(__file__).with_name("stand_in.py")


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """(mark, language, body) of every block with a language."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [(b["mark"] or "", b["language"], b["body"]) for b in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_command_stands_in_a_block_that_is_not_run(page: Path) -> None:
    fences = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    not_run = [body for language, body in fences if language not in ("console", "python")]
    assert not [body for body in not_run if re.search(r"^(\$ |ttscale |pip )", body, re.M)]


def commands(body: str) -> list[str]:
    joined = re.sub(r"\\\n\s*", "", body)
    return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


@contextlib.contextmanager
def running(command: list[str], port: int, **settings: object) -> Iterator[None]:
    """A server while the block lasts; it must be free to listen at the port, and come to do so."""
    if answers(port):
        pytest.skip(f"port {port} is taken")
    server = subprocess.Popen(command, start_new_session=True, **settings)  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            assert server.poll() is None, f"{command} has ended"
            assert time.monotonic() < deadline, f"{command} does not listen"
            time.sleep(0.1)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


def reader(folder: Path) -> dict[str, str]:
    """The environment of a reader who has installed this package and sits in `folder`."""
    for name in ("examples", "benchmarks", "src"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "odd.csv").write_text(ODD)
    for page, (language, name) in SAVED.items():
        bodies = [body for _, found, body in blocks(ROOT / "docs" / page) if found == language]
        (folder / name).write_text(bodies[0])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    return {**os.environ, **home, "PATH": path, "COLUMNS": "120"}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_runs_as_it_is_printed(page, tmp_path):
    env = reader(tmp_path)
    todo = [(mark, language, body) for mark, language, body in blocks(page) if mark not in LEFT_OUT]
    code = ""
    with contextlib.ExitStack() as servers:
        ports = set(re.findall(r"localhost:(\d+)", "".join(b for mark, _, b in todo if mark == "stand-in")))
        for port in sorted(ports):
            servers.enter_context(running([sys.executable, str(STAND_IN), port], int(port)))
        for mark, language, body in todo:
            if language == "python":
                code += body + "\n\n"
                run([sys.executable, "-c", code], tmp_path, env)
            for command in commands(body) if language == "console" else ():
                if command.startswith("ttscale serve"):
                    serving = running(["bash", "-c", f"exec {command}"], 8080, cwd=tmp_path, env=env)
                    if mark:  # what follows talks to it
                        servers.enter_context(serving)
                        continue
                    with serving:
                        continue
                if not command.startswith(INSTALL):
                    shown = run(["bash", "-c", command], tmp_path, env)
                    printed = re.findall(rf"^\$ {re.escape(command)}\n(\d+)$", body, re.M)
                    assert not printed or shown.split()[0] == printed[0], f"{command} says {shown}"


def run(command: list[str], folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for page in (ROOT / "docs").glob("*.md"):
        built = tmp_path / ("index.html" if page.stem == "index" else f"{page.stem}/index.html")
        assert built.is_file(), page.name


def test_what_is_left_out_is_counted():
    marks = Counter(mark for page in PAGES for mark, *_ in blocks(page) if mark)
    assert set(marks) <= LEFT_OUT.keys() | {"stand-in"}
    assert {mark: count for mark, count in marks.items() if mark != "stand-in"} == LEFT_OUT


def test_blocks_are_found_with_what_they_need(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- needs a GPU -->\n```console\n$ one \\\n    two\n3\n```\n\n```python\nx\n```\n")
    (mark, _, body), (none, _, _) = blocks(page)
    assert (mark, commands(body), none) == ("needs a GPU", ["one two"], "")


@pytest.mark.parametrize("command", ["false", "ttscale methods list --nope"])
def test_a_command_that_fails_would_be_seen(command, tmp_path):
    with pytest.raises(AssertionError):
        run(["bash", "-c", command], tmp_path, dict(os.environ))
