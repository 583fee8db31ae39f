"""Plants small faults in modules, one at a time, and counts those that the tests see.

    pip install 'ttscale[mutate]'
    python tools/mutate.py ttscale.methods.voting.esc --n 20 --seed 7 --tests tests/methods/voting

A fault is one of Cosmic Ray's: another operator, another number, a condition negated, a decorator
removed. (mutmut leaves out decorated functions, as every method is one, and all that stands outside
of functions, such as the defaults of a configuration.) None is planted where the program means the
same with it: in annotations, in the text of an error, in the options of `@dataclass`, in assertions.
Everything happens in a copy of the tree. First all tests run once; then a fault meets the tests that
run its line. A run that was interrupted goes on with `--log FILE`: faults in it are not tried again.

A fault that survives is a test that is missing, or a fault that changes nothing: read its diff.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

try:
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names
    from tree_tests import TreeTests, Verdict
except ImportError:
    sys.exit("tools/mutate.py needs Cosmic Ray and Coverage: pip install 'ttscale[mutate]'")

ROOT = Path(__file__).resolve().parent.parent
NOT_COPIED = (".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "out", "dist", "build")


@dataclass(frozen=True, slots=True)
class Fault:
    """One small change of a module: where, what, and the source with it.

    `reach` are the lines of its statement, which a test that sees it has to run; None if the
    statement is run when the module is imported.
    """

    module: str
    line: int
    reach: range | None
    operator: str
    diff: str
    mutated: str

    @property
    def key(self) -> str:
        return hashlib.sha256(f"{self.module}\n{self.mutated}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Result:
    """What the tests said to a fault."""

    key: str
    module: str
    line: int
    operator: str
    verdict: Verdict
    seconds: float
    diff: str


class NotTestable(Exception):
    """The tests do not pass as the tree is, or nothing can be planted."""


def path_of(module: str, root: Path) -> Path:
    """The module's file; NotTestable if there is none."""
    bare = root / "src" / Path(*module.split("."))
    for path in (bare.with_suffix(".py"), bare / "__init__.py"):
        if path.is_file():
            return path.relative_to(root)
    raise NotTestable(f"no module {module} under {root / 'src'}")


def choose(module: str, path: Path, source: str, n: int, rng: random.Random) -> Iterator[Fault]:
    """Up to n faults in as many places: first places are drawn, then one fault for each."""
    places: dict[tuple[int, int], list[tuple[str, int]]] = defaultdict(list)
    nodes = list(ast_nodes(get_ast(source)))
    for name in sorted(operator_names()):
        operator = get_operator(name)
        if operator.arguments():
            continue  # one that needs to be told what to do
        spots = (start for node in nodes for start, _ in operator().mutation_positions(node))
        for occurrence, start in enumerate(spots):
            places[start].append((name, occurrence))
    meaning = _meaning(source)
    for place in rng.sample(sorted(places), len(places)):
        if n == 0:
            return
        name, occurrence = rng.choice(places[place])
        mutated = mutate_code(source, get_operator(name)(), occurrence)
        if mutated is None or _meaning(mutated) == meaning:
            continue
        n -= 1
        reach, diff = _statement(source, place[0]), _diff(source, mutated, path)
        yield Fault(module, place[0], reach, name.removeprefix("core/"), diff, mutated)


def _meaning(source: str) -> str | None:
    """The module's syntax tree without what no test should hold; None if it is not Python."""
    try:
        return ast.dump(Meaning().visit(ast.parse(source)))
    except SyntaxError:
        return None


class Meaning(ast.NodeTransformer):
    """Leaves out annotations, the text of errors, the options of `@dataclass`, and what only a defect
    could fail: assertions and the strictness of `zip`."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "dataclass":
                decorator.keywords = []
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return ast.Pass()

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if ast.unparse(node.func) == "zip":
            node.keywords = []
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        for part in ast.walk(node):
            if isinstance(part, ast.JoinedStr):
                part.values = []
        return self.generic_visit(node)


def _statement(source: str, line: int) -> range | None:
    """The lines of the statement at `line` (of its head, if it holds others); None outside of functions."""
    inner, inside = ast.stmt(), False
    for node in ast.walk(ast.parse(source)):  # what is outside comes before what is in it
        if isinstance(node, ast.stmt) and line in _lines(node):
            inside = inside or isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
            inner = node
    if not inside:
        return None
    lines, body = _lines(inner), getattr(inner, "body", None)
    return range(lines.start, body[0].lineno) if body else lines


def _lines(node: ast.stmt) -> range:
    """From its first decorator to its end."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return range(first, (node.end_lineno or first) + 1)


def _diff(before: str, after: str, path: Path) -> str:
    lines = (text.splitlines(keepends=True) for text in (before, after))
    return "".join(difflib.unified_diff(*lines, f"a/{path}", f"b/{path}", n=2))


def measure(
    root: Path,
    modules: Sequence[str],
    tests: Sequence[str],
    *,
    n: int,
    seed: int,
    timeout: float | None,
    known: dict[str, Result],
) -> Iterator[Result]:
    """Plant n faults in each module of a copy of `root` and run the tests against each.

    `timeout` is in seconds for the tests of one fault; None: five times what they take as the tree
    is, and ten seconds. Results in `known` (by key) are passed on. NotTestable before the first fault.
    """
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(root, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
        paths = {module: path_of(module, copy) for module in modules}
        suite = TreeTests(copy, tests, seed)
        if not suite.measure(paths.values()):
            raise NotTestable(f"the tests fail without any fault: pytest {' '.join(tests)}")
        for module, path in paths.items():
            source = (copy / path).read_text()
            for fault in choose(module, path, source, n, random.Random(f"{seed} {module}")):
                if fault.key in known:
                    yield known[fault.key]
                    continue
                started = time.monotonic()
                plant(copy / path, fault.mutated)
                verdict = suite.verdict(suite.reaching(path, fault.reach), timeout)
                seconds = round(time.monotonic() - started, 2)
                yield Result(fault.key, module, fault.line, fault.operator, verdict, seconds, fault.diff)
            plant(copy / path, source)


def plant(path: Path, source: str) -> None:
    """Write a module that no bytecode on disk is taken for: that goes by whole seconds and the size."""
    path.write_text(source)
    later = time.time() + 3600
    os.utime(path, (later, later))


def summary(results: Sequence[Result]) -> list[dict[str, object]]:
    """One row per module: faults planted and killed (hung tests count as killed), and the share."""
    rows = []
    for module in dict.fromkeys(result.module for result in results):
        verdicts = [result.verdict for result in results if result.module == module]
        killed = len(verdicts) - verdicts.count("survived")
        rows.append(
            {
                "module": module,
                "planted": len(verdicts),
                "killed": killed,
                "timeouts": verdicts.count("timeout"),
                "share": round(killed / len(verdicts), 3),
            }
        )
    return rows


def read_log(path: Path | None) -> dict[str, Result]:
    """The results of earlier runs, by key."""
    if path is None or not path.exists():
        return {}
    made = (Result(**json.loads(line)) for line in path.read_text().splitlines())
    return {result.key: result for result in made}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="+", metavar="MODULE", help="such as ttscale.core.votes")
    parser.add_argument("--n", type=int, default=20, help="faults per module (20)")
    parser.add_argument("--seed", type=int, default=0, help="which faults, and Hypothesis's seed (0)")
    parser.add_argument("--tests", nargs="+", default=["tests"], metavar="PATH", help="what pytest gets")
    parser.add_argument("--timeout", type=float, help="seconds for the tests of one fault")
    parser.add_argument("--log", type=Path, metavar="FILE", help="results as they come; go on from it")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree with src/ and tests/")
    parser.add_argument("--json", action="store_true", help="one document on stdout")
    args = parser.parse_args()

    known, results = read_log(args.log), list[Result]()
    try:
        for result in measure(
            args.root, args.modules, args.tests, n=args.n, seed=args.seed, timeout=args.timeout, known=known
        ):
            results.append(result)
            if args.log and result.key not in known:
                with args.log.open("a") as log:
                    log.write(json.dumps(asdict(result)) + "\n")
            print(f"{result.verdict:9} {result.module}:{result.line} {result.operator}", file=sys.stderr)
    except NotTestable as error:
        sys.exit(f"mutate: {error}")
    except KeyboardInterrupt:
        print("interrupted: these are the faults tried so far", file=sys.stderr)

    survivors = [result for result in results if result.verdict == "survived"]
    if args.json:
        print(
            json.dumps(
                {
                    "seed": args.seed,
                    "tests": args.tests,
                    "modules": summary(results),
                    "survivors": [asdict(result) for result in survivors],
                }
            )
        )
        return 0
    for result in survivors:
        print(result.diff)
    for row in summary(results):
        print(f"{row['killed']:>4} of {row['planted']:>3} killed ({row['share']:.0%})  {row['module']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
