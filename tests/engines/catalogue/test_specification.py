"""Model specifications: what they mean, and how what cannot be meant is refused."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import Price, RecordError, Sampling, TTScaleError, UnknownName, UsageError
from ttscale.engines.catalogue.source import Alias, ModelSource, Plain
from ttscale.engines.catalogue.specification import open_model
from ttscale.engines.llamacpp import LlamaCpp
from ttscale.engines.openai.engine import OpenAIHTTP
from ttscale.engines.recordings.engine import Replay
from ttscale.engines.synthetic import Synthetic

ROWS = """model,dataset,question,sample,completion_tokens,reference,answer
big,sums,0,0,30,42,42
big,sums,0,1,20,42,41
small,sums,0,0,10,42,42
"""


def one(text: str, catalogue: Plain | None = None) -> ModelSource:
    (source,) = open_model(text, catalogue)
    return source


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    path = tmp_path / "samples.csv"
    path.write_text(ROWS)
    return path


class TestReplay:
    def test_one_source_per_model_in_the_file(self, samples):
        sources = open_model(f"replay:{samples}")
        assert [(s.name, s.pools[0].task) for s in sources] == [("big", "sums"), ("small", "sums")]
        assert all(isinstance(s.make(), Replay) for s in sources)

    def test_where_and_settings(self, samples):
        source = one(f"replay:{samples}?where.model=big&order=shuffled&resample=true")
        engine = source.make()
        assert (source.name, engine.order, engine.resample) == ("big", "shuffled", True)

    def test_what_is_made_can_differ_from_the_specification(self, samples):
        assert one(f"replay:{samples}?where.model=big&skip=1").make(skip=2).skip == 2

    def test_columns_are_mapped(self, tmp_path):
        path = tmp_path / "odd.csv"
        path.write_text("id,cost,said,gold\n0,7,42,42\n")
        columns = "columns.tokens=cost&columns.answer=said"
        source = one(f"replay:{path}?{columns}&rule=number")
        (trace,) = next(iter(source.pools[0].records.values()))
        assert (trace.tokens, trace.answer) == (7, "42")

    @pytest.mark.parametrize("name", ["a?b.csv", "a b&c=d.csv", "x?y=1.csv", "50%.csv", "p:q.csv"])
    def test_paths_may_contain_anything(self, tmp_path, name):
        (tmp_path / name).write_text(ROWS)
        assert len(open_model(f"replay:{tmp_path / name}")) == 2
        assert one(f"replay:{tmp_path / name}?where.model=big").name == "big"

    def test_values_may_be_percent_encoded(self, samples):
        assert one(f"replay:{samples}?where.model=%62ig").name == "big"

    def test_missing_file_names_the_nearest(self, samples):
        with pytest.raises(UsageError, match=r"missing: did you mean '.*samples\.csv'\?"):
            open_model(f"replay:{samples.parent / 'sample.csv'}")

    def test_malformed_row_names_file_and_line(self, samples):
        samples.write_text(ROWS.replace("20,42", "twenty,42"))
        with pytest.raises(RecordError, match=r"samples\.csv, line 3"):
            open_model(f"replay:{samples}")

    def test_unknown_setting_and_value(self, samples):
        with pytest.raises(UnknownName, match="did you mean 'resample'"):
            open_model(f"replay:{samples}?resampl=true")
        with pytest.raises(UsageError, match="order='shuffle': did you mean 'shuffled'"):
            open_model(f"replay:{samples}?order=shuffle")
        with pytest.raises(UsageError, match="resample='maybe': give true or false"):
            open_model(f"replay:{samples}?resample=maybe")
        with pytest.raises(UsageError, match=r"'order' .* has no value"):
            open_model(f"replay:{samples}?skip=1&order")

    def test_a_bench_store_is_read_by_the_catalogue(self, tmp_path, samples):
        store = tmp_path / "run.db"
        with sqlite3.connect(store) as db:
            db.execute("create table t (x)")
        db.close()
        pools = [s.pools[0] for s in open_model(f"replay:{samples}")]

        class Stores(Plain):
            def read_store(self, path):
                assert path == store
                return pools

        assert [s.name for s in open_model(f"replay:{store}", Stores())] == ["big", "small"]
        assert one(f"replay:{store}?where.model=small", Stores()).name == "small"
        with pytest.raises(UsageError, match="holds no samples with model=large"):
            open_model(f"replay:{store}?where.model=large", Stores())
        with pytest.raises(UsageError, match="export it"):
            open_model(f"replay:{store}")


class TestOpenAI:
    def test_model_and_address(self):
        source = one("openai:qwen/Qwen3-8B@http://localhost:8000/v1")
        engine = source.make()
        assert isinstance(engine, OpenAIHTTP)
        assert (source.name, engine.model) == ("qwen/Qwen3-8B", "qwen/Qwen3-8B")
        assert engine.urls == ["http://localhost:8000"]

    def test_replicas_and_settings(self):
        source = one("openai:m@http://a:1/v1,http://b:2?concurrency=5&temperature=0.6&max_tokens=9")
        engine = source.make()
        assert engine.urls == ["http://a:1", "http://b:2"]
        assert engine.concurrency == 5
        assert source.sampling == Sampling(temperature=0.6, max_tokens=9)

    @pytest.mark.parametrize(
        ("query", "kind", "capabilities"),
        [
            ("can=logprobs,prefix&server=vllm", "vllm", {"text", "logprobs", "prefix"}),
            ("can=logprobs, tools&server=llamacpp", "llamacpp", {"text", "logprobs", "tools"}),
            ("can=score", "other", {"text", "score"}),
            ("can=", "other", {"text"}),
        ],
    )
    def test_what_a_server_can_do_is_believed_as_it_is_said(self, query, kind, capabilities):
        engine = one(f"openai:m@http://h?{query}").make()
        assert (engine.dialect.kind, engine.capabilities) == (kind, capabilities)
        assert not engine.unknown({"logprobs", "score", "tools"}), "nothing is tried"

    def test_without_it_everything_is_to_be_tried(self):
        assert one("openai:m@http://h?server=vllm").make().unknown({"score"}) == {"score"}

    def test_model_names_may_hold_at_signs_and_colons(self):
        assert one("openai:gemma3:4b@q4@http://localhost:11434").name == "gemma3:4b@q4"

    def test_the_only_model_of_a_server_needs_no_name(self):
        assert one("openai:@http://localhost:8000").name == "localhost:8000"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("azure:gpt-5", "does not say which server: write azure:MODEL@URL"),
            ("openai:", "does not say which: write openai:MODEL"),
            ("openai:m@http://h?extra_body=5", "is not a JSON object"),
            ("http://localhost:8000/v1", "write openai:MODEL@http://localhost:8000/v1"),
            ("openai:m@http://u:secret@h/v1", "must not hold a password: name the environment variable"),
            ("openai:m@http:///v1", "is not the address of a server"),
            ("openai:m@http://[::1/v1", "is not the address of a server"),
            ("openai:m@http://h:99999/v1", "is not the address of a server"),
            ("openai:m@http://h?api_key=sk-1", "a key does not belong on the command line"),
            ("openai:m@http://h?key_en=A", "did you mean 'key_env'"),
            ("openai:m@http://h?api-version=1%262", "is more than an address"),
            ("openai:m@http://h?can=logprob", "did you mean 'logprobs'"),
            ("openai:m@http://h?can=&server=vlm", "server='vlm'"),
            ("openai:m@http://h?temperture=0", "did you mean 'temperature'"),
            ("openai:m@http://h?temperature=-1", "temperature=-1.0: give a number from 0 to 100"),
            ("openai:m@http://h?concurrency=many", "give a whole number"),
            ("openai:m@http://h?concurrency=0", "concurrency=0: give a whole number of at least 1"),
        ],
    )
    def test_refusals(self, text, told):
        with pytest.raises(UsageError, match=told) as caught:
            open_model(text)
        assert "secret" not in str(caught.value)
        assert "sk-1" not in str(caught.value)


class TestLlamaCpp:
    def test_settings_reach_the_engine(self, tmp_path):
        path = tmp_path / "a model?.gguf"
        path.write_bytes(b"GGUF")
        engine = one(f"llamacpp:{path}?slots=8&ctx=512&threads=2").make()
        assert isinstance(engine, LlamaCpp)
        assert (engine.path, engine.slots, engine.context, engine.threads) == (path, 8, 512, 2)

    def test_a_bare_file_is_told_its_scheme(self, tmp_path, samples):
        path = tmp_path / "m.gguf"
        path.write_bytes(b"GGUF")
        with pytest.raises(UsageError, match=f"write llamacpp:{path}"):
            open_model(str(path))
        with pytest.raises(UsageError, match=f"write replay:{samples}"):
            open_model(str(samples))

    def test_missing_file(self, tmp_path):
        with pytest.raises(UsageError, match="is missing: give the path of a GGUF file"):
            open_model(f"llamacpp:{tmp_path / 'none.gguf'}")
        with pytest.raises(UsageError, match="is a folder"):
            open_model(f"llamacpp:{tmp_path}")


class TestTransformers:
    def test_settings_are_checked_before_anything_is_loaded(self, tmp_path):
        source = one(f"transformers:{tmp_path}?batch=4&temperature=0.6")
        assert (source.name, source.sampling.temperature) == (tmp_path.name, 0.6)
        with pytest.raises(UnknownName, match="did you mean 'batch'"):
            open_model(f"transformers:{tmp_path}?bach=4")
        with pytest.raises(UsageError, match="does not say which"):
            open_model("transformers:")


class TestSynthetic:
    def test_settings(self):
        engine = one("synthetic:p=0.6,length=10,confidence=12,wrong_confidence=9").make()
        assert isinstance(engine, Synthetic)
        assert engine.worlds.answers == {"right": 0.6, "wrong": 0.4}
        assert (engine.worlds.length, engine.worlds.wrong_confidence) == (10, 9)
        assert engine.capabilities == {"text", "logprobs"}

    def test_without_settings(self):
        assert one("synthetic:").make().worlds.answers["right"] == 0.7

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("synthetic:lenght=3", "did you mean 'length'"),
            ("synthetic:p=2", "p=2.0: give a number from 0 to 1"),
            ("synthetic:p=x", "give a number"),
            ("synthetic:confidence=3", "belong together"),
            ("synthetic:length=nan", "length=nan is not finite: give a number of at least 0"),
            ("synthetic:spread=-1", "spread=-1.0: give a number of at least 0"),
        ],
    )
    def test_refusals(self, text, told):
        with pytest.raises(UsageError, match=told):
            open_model(text)


class TestNames:
    CATALOGUE = Plain(
        aliases={
            "mine": Alias(spec="openai:m@http://h?top_p=0.9", price=Price(1, 2), sampling=Sampling(top_k=5)),
            "yours": Alias(spec="mine", sampling=Sampling(top_k=7)),
            "round": Alias(spec="about"),
            "about": Alias(spec="round"),
        },
        prices={"m": Price(3, 4)},
    )

    def test_alias_brings_price_and_sampling(self):
        source = one("mine", self.CATALOGUE)
        assert (source.name, source.spec, source.price) == ("mine", "mine", Price(1, 2))
        assert source.sampling == Sampling(top_k=5, top_p=0.9)

    def test_bundled_models(self):
        assert one("tiny").name == "tiny"
        assert one("tiny-small?slots=2").make().capabilities >= {"text"}
        assert one("tiny-prm").spec == "tiny-prm"

    def test_an_embedder_is_a_model_of_its_own_kind(self, tmp_path):
        pytest.importorskip("torch")
        (tmp_path / "config.json").write_text("{}")
        source = one(f"embedder:{tmp_path}?device=cpu")
        assert source.name == tmp_path.name
        assert source.make().capabilities == {"embed"}
        with pytest.raises(UsageError):
            one("embedder:")

    def test_alias_of_an_alias_wins(self):
        source = one("yours", self.CATALOGUE)
        assert (source.price, source.sampling.top_k) == (Price(1, 2), 7)

    def test_price_of_a_model_by_its_name(self):
        assert one("openai:m@http://h", self.CATALOGUE).price == Price(3, 4)

    def test_names_take_a_query(self):
        source = one("yours?top_k=9&max_tokens=5", self.CATALOGUE)
        assert source.sampling == Sampling(top_k=9, top_p=0.9, max_tokens=5)
        assert source.name == "yours"

    def test_alias_in_a_circle(self):
        with pytest.raises(UsageError, match="'round' leads back to itself"):
            open_model("round", self.CATALOGUE)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("mien", "unknown model 'mien': did you mean 'mine'"),
            ("smollm2-135", "did you mean 'smollm2-135m'"),
            ("llamacp:x.gguf", "unknown kind of model 'llamacp': did you mean 'llamacpp'"),
            ("", "no model is named"),
        ],
    )
    def test_unknown_names(self, text, told):
        with pytest.raises(UsageError, match=told):
            open_model(text, self.CATALOGUE)


@given(st.text(max_size=60), st.sampled_from(["", "openai:", "llamacpp:", "synthetic:", "replay:"]))
def test_any_text_is_read_or_refused(body, scheme):
    with contextlib.suppress(TTScaleError):  # any other error fails the test
        open_model(scheme + body)
