"""Methods of one's own, from a file."""

from __future__ import annotations

import pytest

from ttscale.cli import new_method
from ttscale.cli.commands.serve import _own_methods
from ttscale.core import UnknownName, UsageError
from ttscale.methods import registry

ORACLE = """
from ttscale.core import Card, Outcome, declared
from ttscale.methods.registry import method

@declared
class Config:
    n: int = 1

@method(card=Card(name="own-cheat", title="looks it up", what="parallel", stops="at once", status="oracle"))
async def cheat(problem, ctx, cfg: Config):
    return Outcome(problem.reference, None, "looked up")
"""


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    monkeypatch.setattr(registry, "_METHODS", dict(registry.methods()))


@pytest.fixture
def own(tmp_path):
    new_method.write("own-pair", tmp_path)
    return tmp_path / "own_pair.py"


def test_a_method_of_a_file_is_configured_like_any_other_and_is_yours(own):
    one = registry.parse(f"{own}:own_pair(max_pairs=4)")
    assert (one.cfg.max_pairs, one.card.status, one.label) == (4, "yours", f"{own}:own_pair(max_pairs=4)")
    assert registry.parse(f" {own}:own-pair").method is one.method  # by its card's name, run once
    assert registry.get("own-pair") is one.method
    with pytest.raises(UsageError, match="at least 1"):
        registry.parse(f"{own}:own_pair(max_pairs=0)")
    with pytest.raises(UnknownName, match="known: own_pair"):
        registry.parse(f"{own}:other")


def test_an_oracle_stays_one(tmp_path):
    (tmp_path / "cheat.py").write_text(ORACLE)
    assert registry.parse(f"{tmp_path}/cheat.py:cheat").card.status == "oracle"


def test_a_file_that_has_changed_is_run_again(own):
    before = registry.parse(f"{own}:own_pair")
    own.write_text(own.read_text().replace("= 8", "= 3"))
    after = registry.parse(f"{own}:own_pair")
    assert (before.cfg.max_pairs, after.cfg.max_pairs) == (8, 3)


def test_a_file_that_cannot_be_run_says_where(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("x = 1\ny = x / 0\n")
    for _ in range(2):
        with pytest.raises(UsageError, match=r"broken.py cannot be run: ZeroDivisionError: .* \(line 2\)"):
            registry.parse(f"{broken}:f")
    broken.write_text("raise SystemExit(3)")
    with pytest.raises(UsageError, match="SystemExit: 3"):
        registry.parse(f"{broken}:f")
    with pytest.raises(UsageError, match="No such file"):
        registry.parse(f"{tmp_path}/none.py:f")


def test_a_name_that_is_taken_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text(ORACLE.replace("own-cheat", "self-consistency"))
    with pytest.raises(UsageError, match="the name 'self-consistency' is taken"):
        registry.parse(f"{tmp_path}/mine.py:cheat")


def test_what_a_client_writes_runs_no_file(tmp_path):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UnknownName):
        registry.written(f"{tmp_path}/evil.py:f(n=1)")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["sc", "self_consistency", "1st", "a b", "", "../x"])
def test_a_method_to_begin_with_has_a_name_of_its_own(name, tmp_path):
    with pytest.raises(UsageError):
        new_method.write(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten(own, tmp_path):
    before = own.read_text()
    registry._METHODS.pop("own-pair", None)
    with pytest.raises(UsageError, match="exists already"):
        new_method.write("own_pair", tmp_path)
    assert own.read_text() == before


def test_a_server_offers_a_method_of_a_file_with_its_parameters(own):
    assert _own_methods((f"{own}:own_pair(max_pairs=2)",)) == {"own-pair": {"max_pairs": 2}}
    assert registry.written("own-pair")[0].card.status == "yours"  # clients may name it now
    with pytest.raises(UsageError, match="is not in a file"):
        _own_methods(("sc(n=4)",))
