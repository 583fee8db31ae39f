"""The configuration: what it may say, and how it is refused."""

from __future__ import annotations

import re

import pytest

from ttscale.cli import config
from ttscale.core import Budget, Price, UsageError

WHOLE = """
[defaults]
model = "local"
method = "sc(n=8)"
answer = "math"
seed = 7
temperature = 0.6

[defaults.budget]
tokens = 20000

[models]
small = "llamacpp:small.gguf"

[models.local]
spec = "openai:qwen3-8b@http://localhost:8000/v1?key_env=LOCAL_KEY"
top_p = 0.95
price = { prompt = 0.1, completion = 0.4, cached = 0.05 }

[prices]
"gpt-oss-20b" = { prompt = 0.05, completion = 0.2 }
"""


@pytest.fixture
def file(own_home):
    return own_home / "folder" / "ttscale.toml"


def test_everything_it_may_say(file):
    file.write_text(WHOLE)
    found = config.load()
    assert (found.model, found.method, found.answer, found.seed) == ("local", "sc(n=8)", "math", 7)
    assert found.budget == Budget(tokens=20000)
    assert found.sampling.temperature == 0.6
    assert found.aliases["small"].spec == "llamacpp:small.gguf"
    assert found.aliases["local"].price == Price(0.1, 0.4, 0.05)
    assert found.aliases["local"].sampling.top_p == 0.95
    assert found.prices == {"gpt-oss-20b": Price(0.05, 0.2)}


def test_no_file_is_no_error():
    assert config.load().files == ()


def test_the_folders_file_wins_over_the_users(file, own_home):
    user = own_home / "config" / "ttscale" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text('[defaults]\nmodel = "a"\nmethod = "sc"\n[models]\na = "x"\n')
    file.write_text('[defaults]\nmodel = "b"\n')
    found = config.load()
    assert (found.model, found.method, list(found.aliases)) == ("b", "sc", ["a"])
    assert len(found.files) == 2


def test_the_variable_replaces_the_users_file(own_home, monkeypatch):
    other = own_home / "other.toml"
    other.write_text('[defaults]\nmodel = "c"\n')
    monkeypatch.setenv("TTSCALE_CONFIG", str(other))
    assert config.load().model == "c"
    monkeypatch.setenv("TTSCALE_CONFIG", str(own_home / "gone.toml"))
    with pytest.raises(UsageError, match=r"TTSCALE_CONFIG names .*gone\.toml, which is not a file"):
        config.load()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[defaults\n", r"is not TOML: .*line 1"),
        ("[default]\n", "ttscale.toml: unknown entry 'default': did you mean 'defaults'?"),
        ("models = 3\n", "models=3: give a table"),
        ("[defaults]\nmodle = 'x'\n", "ttscale.toml: defaults: unknown entry 'modle': did you mean 'model'?"),
        ("[defaults]\nseed = 'x'\n", "defaults.seed='x': give a whole number"),
        ("[defaults]\nmodel = 3\n", "defaults.model=3: give a text"),
        ("[defaults]\ntemperature = -1\n", "defaults.temperature=-1: give a number from 0 to 100"),
        ("[defaults.budget]\ntoken = 3\n", "defaults.budget: unknown entry 'token': did you mean 'tokens'?"),
        ("[models.a]\nspec = 'x'\ntemprature = 1\n", "'temprature': did you mean 'temperature'?"),
        ("[models.a]\ntemperature = 1\n", "models.a does not say spec"),
        ("[models.a]\nspec = 'x'\napi_key = 'sk-1'\n", "models.a: a key does not belong"),
        ("[models.a]\nspec='x'\nprice = { prompt = 1 }\n", "a.price does not say completion"),
        ("[prices]\na = { prompt = 1, completion = 'x' }\n", "a.completion='x': give a number of at least 0"),
        ("[prices]\na = { promt = 1, completion = 2 }\n", "'promt': did you mean 'prompt'?"),
    ],
)
def test_what_is_refused_names_file_and_key(file, text, told):
    file.write_text(text)
    pattern = told if ".*" in told else re.escape(told)
    with pytest.raises(UsageError, match=pattern) as caught:
        config.load()
    assert "ttscale.toml" in str(caught.value)
    assert "sk-1" not in str(caught.value)
