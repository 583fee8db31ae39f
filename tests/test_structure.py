"""The structure holds: imports go down, nothing goes round, and tests lie where their subject does."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "ttscale"
TESTS = Path(__file__).parent
FLOORS = (
    "core",
    "answers signals worlds",
    "engines verifiers",
    "methods metrics assembly",
    "bench training",
    "planner",
    "reproduce gateway",
    "cli",
)
"""From the ground up. What stands on one floor may know each other, as long as nothing goes round."""
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names.split()}
ROOF = frozenset({"__init__", "__main__", "arguments", "notebook", "session"})  # the ways in
MANY = 10  # modules of a folder without subfolders
SIBLINGS = 20  # packages side by side


def name_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(SRC).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


@cache
def imports() -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    """Module -> modules of this package that it imports when it is loaded, `TYPE_CHECKING` left out."""
    modules = {name_of(path): path for path in SRC.rglob("*.py")}
    graph: dict[tuple[str, ...], set[tuple[str, ...]]] = {name: set() for name in modules}
    for name, path in modules.items():
        package = name if path.name == "__init__.py" else name[:-1]
        for node in at_load(ast.parse(path.read_text(encoding="utf-8")).body):
            if not isinstance(node, ast.ImportFrom):
                continue
            if node.level:
                base = package[: len(package) - node.level + 1]
            elif (node.module or "").partition(".")[0] == "ttscale":
                base = ()
            else:
                continue
            where = (node.module or "").split(".") if node.module else []
            source = (*base, *(where if node.level else where[1:]))
            for alias in node.names:
                target = (*source, alias.name)
                graph[name].add(target if target in modules else source or ("__init__",))
    return graph


def at_load(body: list[ast.stmt]):
    """Statements that run as a module is loaded."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from at_load(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from at_load(node.body)
            yield from at_load(getattr(node, "orelse", []))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def circle(graph: dict) -> list | None:
    """One circle of a graph, or None."""
    done: set = set()

    def visit(node, path: list) -> list | None:
        if node in path:
            return path[path.index(node) :]
        if node in done:
            return None
        found = next((c for n in sorted(graph.get(node, ())) if (c := visit(n, [*path, node]))), None)
        done.add(node)
        return found

    return next((c for node in sorted(graph) if (c := visit(node, []))), None)


def folders(root: Path) -> list[Path]:
    return [p for p in (root, *root.rglob("*")) if p.is_dir() and any(p.glob("*.py"))]


def test_every_package_has_a_floor():
    packages = {p.parent.name for p in SRC.glob("*/__init__.py")}
    assert packages <= set(FLOOR), packages - set(FLOOR)
    assert {p.stem for p in SRC.glob("*.py")} <= ROOF | set(FLOOR)
    assert len(packages) <= SIBLINGS


def test_no_import_goes_up():
    up = {
        f"{'.'.join(name)} -> {'.'.join(target)}"
        for name, targets in imports().items()
        for target in targets
        if name[0] in FLOOR
        and target != ("__init__",)  # the version
        and FLOOR.get(target[0], len(FLOORS)) > FLOOR[name[0]]
    }
    assert not up


def test_no_module_imports_itself_by_a_detour():
    # a package's front imports its modules, which may import each other but not the front
    graph = {
        name: {t for t in targets if t != name and t != name[: len(t)]} for name, targets in imports().items()
    }
    assert circle(graph) is None


@pytest.mark.parametrize("depth", [1, 2])
def test_no_packages_go_round(depth):
    graph = defaultdict(set)
    for name, targets in imports().items():
        for target in targets:
            mine, its = name[:depth], target[:depth]
            folders = len(mine) == len(its) == depth and all(
                SRC.joinpath(*side).is_dir() for side in (mine, its)
            )
            if folders and mine != its and mine[: depth - 1] == its[: depth - 1]:
                graph[mine].add(its)
    assert circle(graph) is None


def test_a_crowded_folder_has_subfolders():
    crowded = {
        str(folder.relative_to(SRC)): len(modules)
        for folder in folders(SRC)
        if len(modules := [p for p in folder.glob("*.py") if p.name != "__init__.py"]) > MANY
        and not [p for p in folder.iterdir() if p.is_dir() and (p / "__init__.py").exists()]
    }
    assert not crowded


def test_every_folder_of_tests_mirrors_one_of_the_source():
    strange = {
        str(where)
        for folder in folders(TESTS)
        if not SRC.joinpath(where := folder.relative_to(TESTS)).is_dir()
    }
    assert strange <= {"data"}  # figures of published recordings
