"""Everything a user can get wrong: one line that names the cause and the fix, a code of its own."""

from __future__ import annotations

import socket

import pytest

from ttscale.engines.catalogue import downloads as engine_models

SURE = ("--model", "synthetic:p=1")
ROWS = "question,sample,tokens,answer,reference\n7,0,30,42,42\n7,1,20,41,42\n"


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("--method", "ffss"), 2, "unknown method 'ffss': did you mean 'ffs'?"),
        (("--method", "ffs(kk=2)"), 2, "method 'ffs': unknown parameter 'kk'"),
        (("--method", "adaptive-consistency(max_sample=2)"), 2, "did you mean 'max_samples'?"),
        (("--method", "ffs(n=2, k=4)"), 2, "k=4: give a number from 1 to 2"),
        (("--method", "ffs(n=2"), 2, "write it as name(n=8, k=4)"),
        (("--method", "beam-search"), 5, "needs prefix from role 'main'"),
        (("--method", "best-of-n"), 5, "for example --role prm=MODEL"),
        (("--role", "prm=nope"), 2, "unknown model 'nope'"),
        (("--role", "prm"), 2, "write NAME=VALUE"),
        (("--role", "judge=synthetic:", "--role", "judge=synthetic:"), 2, "given twice"),
        (("--budget", "tokns=5"), 2, "budget: unknown kind 'tokns': did you mean 'tokens'?"),
        (("--budget", "tokens=many"), 2, "write tokens=2000 or tokens=2k"),
        (("--budget", "tokens=0"), 2, "budget.tokens=0: give a whole number above 0"),
        (("--budget", "seconds=inf"), 2, "give a number above 0"),
        (("--budget", "sequential=10.5"), 2, "give a whole number"),
        (("--method", "sc(n=8, n=4)"), 2, "sets a parameter twice"),
        (("--method", "sc(n=8)(n=4)"), 2, "write it as name(n=8, k=4)"),
        (("--method", "sc(n={[]: 1})"), 2, "give a number, a word or a quoted text"),
        (("--method", "esc(windows=3)"), 2, "windows=3: give several whole numbers of at least 1"),
        (("--method", "esc(windows=(3.5,))"), 2, "give a whole number"),
        (("--method", "esc(control=true, windows=(50,))"), 2, "add a smaller window"),
        (("--seed", "9" * 20), 2, "give a whole number of at most 63 bits"),
        (("--budget", "tokens=5"), 7, "raise --budget tokens="),
        (("--answer", "mathh"), 2, "unknown answer rule 'mathh': did you mean 'math'?"),
        (("--answer", "number"), 1, "choose another --answer rule"),
        (("--temperature", "-1"), 2, "temperature=-1.0: give a number from 0 to 100"),
        (("--temperature", "hot"), 2, "'hot' is not a valid float: see ttscale solve --help"),
        (("--image", "none.png"), 2, "'none.png' does not exist"),
        (("--show", "all"), 2, "see ttscale solve --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_solve(refuses, args, code, told):
    assert told in refuses("solve", "What?", *SURE, *args, code=code)


def test_empty_task(refuses):
    assert "the question is empty" in refuses("solve", "  ", *SURE, code=2)
    assert "the question is empty" in refuses("solve", "-", *SURE, code=2, stdin="\n")


def test_no_model_says_how_to_get_one(refuses, monkeypatch, own_home):
    monkeypatch.setattr("ttscale.engines.catalogue.bundled.FOLDER", own_home / "no such file")
    assert "run ttscale models pull smollm2-135m" in refuses("solve", "What?", code=2)


def test_unknown_model_names_the_nearest(refuses):
    error = refuses("solve", "What?", "--model", "smollm2-135", code=2)
    assert "did you mean 'smollm2-135m'?" in error


def test_known_model_that_is_not_here_says_how_to_fetch_it(refuses):
    error = refuses("solve", "What?", "--model", "smollm2-135m", code=2)
    assert "ttscale models pull smollm2-135m" in error


def test_unreachable_server(refuses):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        port = taken.getsockname()[1]
        model = f"openai:m@http://127.0.0.1:{port}/v1"
        assert f"127.0.0.1:{port}" in refuses("solve", "What?", "--model", model, code=3)


def test_wrong_key(refuses, refusing_server, monkeypatch):
    url = refusing_server(401, "Incorrect API key provided: sk-very-secret")
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    error = refuses("solve", "What?", "--model", f"openai:m@{url}?key_env=MY_KEY", code=4)
    assert "sk-very-secret" not in error


def test_missing_key_names_the_variable(refuses):
    model = "openai:m@http://127.0.0.1:9/v1?key_env=MY_KEY"
    assert "MY_KEY" in refuses("solve", "What?", "--model", model, code=4)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_malformed_row_names_file_and_line(refuses, own_home, name):
    text = ROWS.replace("20,41", "twenty,41")
    if name.endswith("jsonl"):
        text = '{"question": 7, "tokens": 30, "answer": "42"}\n{"question": 7, "tokens": \n'
    (own_home / "folder" / name).write_text(text)
    error = refuses("solve", "7", "--model", f"replay:{name}", code=6)
    assert f"{name}, line {3 if name.endswith('csv') else 2}" in error


def test_recording_that_runs_dry(refuses, own_home):
    (own_home / "folder" / "rows.csv").write_text(ROWS)
    args = ("--model", "replay:rows.csv", "--method", "sc(n=3)")
    assert "the recording holds 2: ask for fewer samples" in refuses("solve", "7", *args, code=6)


def test_recording_without_the_question(refuses, own_home):
    (own_home / "folder" / "rows.csv").write_text(ROWS)
    assert "unknown question" in refuses("solve", "8", "--model", "replay:rows.csv", code=2)


def test_recording_of_several_models_asks_which(refuses, own_home):
    rows = "model,question,tokens,answer,reference\na,7,30,42,42\nb,7,20,41,42\n"
    (own_home / "folder" / "rows.csv").write_text(rows)
    error = refuses("solve", "7", "--model", "replay:rows.csv", code=2)
    assert "?where.model=a&where.dataset=rows" in error


def test_config_with_an_unknown_key_names_file_and_key(refuses, own_home):
    (own_home / "folder" / "ttscale.toml").write_text("[defaults]\nmodle = 'x'\n")
    error = refuses("solve", "What?", code=2)
    assert "ttscale.toml: defaults: unknown entry 'modle'" in error
    assert "did you mean 'model'?" in error


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("[defaults.budget]\ntokens = 'many'", "budget.tokens='many': give a whole number above 0"),
        ("[defaults.budget]\nunits = 3", "budget.units=3: give a table"),
        ("[defaults]\nstop = 5", "stop=5: give several texts"),
        ("[defaults]\nstop = [5]", "stop=5: give a text"),
        ("[defaults]\nmax_tokens = 10.5", "give a whole number from 1"),
        ("[defaults]\nextra = 3", "extra=3: give a table"),
        ("[defaults]\nseed = 99999999999999999999", "give a whole number"),
        (
            "[prices]\nx = { prompt = nan, completion = 1 }",
            "prompt=nan is not finite: give a number of at least 0",
        ),
    ],
)
def test_config_with_a_bad_value_names_file_and_key(refuses, own_home, entry, told):
    (own_home / "folder" / "ttscale.toml").write_text(entry)
    error = refuses("solve", "What?", *SURE, code=2)
    assert "ttscale.toml: " in error
    assert told in error


def test_a_folder_of_an_unknown_user_is_just_missing(refuses, monkeypatch):
    monkeypatch.setenv("TTSCALE_CACHE", "~nobody-here/cache")
    assert "is not here yet" in refuses("solve", "What?", "--model", "smollm2-135m", code=2)
    model = "openai:m@http://127.0.0.1:9/v1?key_file=~nobody-here/key"
    assert "key file ~nobody-here/key cannot be read" in refuses("solve", "What?", "--model", model, code=4)
    monkeypatch.setenv("TTSCALE_CONFIG", "~nobody-here/config.toml")
    assert "which is not a file" in refuses("solve", "What?", *SURE, code=2)


def test_bytes_are_no_question(refuses):
    assert "encode it as UTF-8" in refuses("solve", "\udcff", *SURE, code=2)


def test_text_that_is_no_text(refuses, own_home):
    (own_home / "folder" / "ttscale.toml").write_bytes(b"\xff\xfe")
    assert "ttscale.toml is not TOML" in refuses("solve", "What?", code=2)


def test_corrupt_store(refuses, own_home):
    (own_home / "folder" / "run.db").write_bytes(b"SQLite format 3\0" + b"nonsense" * 500)
    assert "run.db" in refuses("solve", "7", "--model", "replay:run.db", code=8)


@pytest.mark.real
@pytest.mark.slow
def test_context_overflow(refuses, monkeypatch):
    pytest.importorskip("xllamacpp")
    monkeypatch.undo()  # the user's own cache: this test wants what was fetched before
    if not engine_models.is_cached("smollm2-135m"):
        pytest.skip("smollm2-135m has not been fetched")
    model = "smollm2-135m?slots=1&ctx=256"
    error = refuses("solve", "-", "--model", model, code=1, stdin="word " * 1000)
    assert "does not fit the context" in error
    assert "shorten the prompt" in error
