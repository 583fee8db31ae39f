"""Verdicts are what comes out: three systems, drawn by the commit, are measured again."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ttscale.methods import methods
from ttscale.reproduce.protocol import Laboratory, Verdict
from ttscale.reproduce.protocol.catalogue import load, published
from ttscale.reproduce.protocol.page import checked, page
from ttscale.reproduce.protocol.results import measure

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TTSCALE_DATA") or ROOT.parent / "shared" / "data")
BUILT = [system for system in published().values() if system.built]
AGAIN = 3


def drawn():
    """Three systems, others for every commit; without a commit, the first three."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return BUILT[:AGAIN]
    return random.Random(head.stdout.strip()).sample(BUILT, min(AGAIN, len(BUILT)))


def test_a_plain_installation_lists_the_systems_and_their_verdicts():
    script = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['scipy', 'torch', 'transformers', 'plotly']))\n"
        "from ttscale.reproduce.protocol.page import verdicts\n"
        "print(len(verdicts()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("62", "")


def test_the_list_has_sixty_two_systems():
    assert len(published()) == 62
    assert all(entry.title and entry.family and entry.arxiv for entry in published().values())


@pytest.mark.parametrize("entry", BUILT, ids=lambda entry: entry.name)
def test_every_built_system_has_a_result_by_its_criterion_of_today(entry):
    result = checked(entry)
    assert result is not None, (
        f"run ttscale reproduce {entry.name} --full --save src/ttscale/reproduce/results"
    )
    assert [f.claim for f in result.findings] == [claim.name for claim in load(entry).claims]
    assert result.commit
    assert result.form == "full"


@pytest.mark.parametrize("entry", BUILT, ids=lambda entry: entry.name)
def test_what_a_system_is_made_of_is_there(entry):
    names = {name for method in methods().values() for name in (method.name, *method.card.aliases)}
    assert set(load(entry).methods) <= names


@pytest.mark.parametrize("entry", drawn(), ids=lambda entry: entry.name)
def test_drawn_systems_give_no_opposite_verdict_when_measured_again(entry):
    again = measure(load(entry), Laboratory(DATA if DATA.is_dir() else None))
    opposite = {Verdict.REPRODUCED, Verdict.REFUTED}
    before = {f.claim: f.verdict for f in checked(entry).findings}
    turned = {f.claim for f in again.findings if {f.verdict, before[f.claim]} == opposite}
    assert not turned


def test_the_page_is_made_of_the_results():
    assert (ROOT / "docs" / "systems.md").read_text(encoding="utf-8") == page()
