"""The lean model, the sampler and the exports agree with transformers and with each other."""

import math
import random

import pytest
import torch

from ttscale.training.batches import collate, cut, encode
from ttscale.training.tiny.export import interleave, save_gguf, save_hf, save_prm
from ttscale.training.tiny.prm import (
    LOWEST,
    Labelled,
    Learner,
    batches,
    impressions,
    scored_positions,
    start_from,
)
from ttscale.training.tiny.sampling import sample, sample_token
from ttscale.training.tiny.tokenizer import CHAT_TEMPLATE, END, chat

PROMPTS = [chat("Think step by step.", q) for q in ("What is 3+4?", "Compute 12*3-(4+5).", "Hi")]


def test_logits_equal_those_of_transformers(model, tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    save_hf(model, tokenizer, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ids = tokenizer.encode(PROMPTS[1]).ids
    assert their_tokenizer(PROMPTS[1], add_special_tokens=False)["input_ids"] == ids
    with torch.inference_mode():
        expected = theirs(torch.tensor([ids])).logits
        hidden = model.model(torch.tensor([ids]))
        ours = hidden @ model.model.embed_tokens.weight.T
    scale = expected.abs().max()
    assert (ours - expected).abs().max() < 5e-3 * scale  # weights are rounded to 16 bits


def test_reward_model_scores_equal_those_of_transformers(model, tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    reward = start_from(model, layers=3)
    torch.nn.init.normal_(reward.score.weight)
    save_prm(reward, tokenizer, tmp_path)
    theirs = transformers.AutoModelForTokenClassification.from_pretrained(
        tmp_path, dtype=torch.float32
    ).eval()
    ids = torch.tensor([tokenizer.encode(PROMPTS[1]).ids])
    with torch.inference_mode():
        expected, ours = theirs(ids).logits.squeeze(-1), reward(ids)
    assert (ours - expected).abs().max() < 5e-3 * expected.abs().max()


def test_chat_template_renders_what_training_used(model, tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    save_hf(model, tokenizer, tmp_path)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    user = {"role": "user", "content": "What is 3+4?"}
    system = {"role": "system", "content": "Think step by step."}

    def render(messages, **options) -> str:
        options = {"add_generation_prompt": True} | options
        return loaded.apply_chat_template(messages, tokenize=False, **options)

    assert render([system, user]) == render([user]) == PROMPTS[0]
    assert render([system, user], thinking=False) == PROMPTS[0] + "<think>\n\n</think>\n\n"
    begun = {"role": "assistant", "content": "<think>\n3+4"}
    assert (
        render([system, user, begun], add_generation_prompt=False, continue_final_message=True)
        == PROMPTS[0] + "<think>\n3+4"
    )
    assert "enable_thinking" not in CHAT_TEMPLATE  # llama.cpp would switch thinking off by itself


def test_batched_greedy_replies_equal_single_ones(model, tokenizer):
    together = sample(model, tokenizer, PROMPTS, temperature=0, max_tokens=24)
    alone = [sample(model, tokenizer, [p], temperature=0, max_tokens=24)[0] for p in PROMPTS]
    assert together == alone
    assert len(set(together)) > 1


def test_sampling_follows_the_distribution(model, tokenizer):
    ids = tokenizer.encode(PROMPTS[0]).ids
    with torch.inference_mode():
        logits = model.model(torch.tensor([ids]))[0, -1] @ model.model.embed_tokens.weight.T
    generator = torch.Generator().manual_seed(0)
    drawn = sample_token(logits.expand(4000, -1), 1.0, generator).flatten()
    likely = logits.argmax()
    share = (drawn == likely).float().mean().item()
    probability = logits.softmax(-1)[likely].item()
    assert abs(share - probability) < 4 * (0.25 / 4000) ** 0.5  # false alarm below 1e-4
    assert (sample_token(logits[None], 0.0, None) == likely).all()


def test_llama_cpp_gives_the_same_ids_and_probabilities(model, tokenizer, tmp_path):
    xllamacpp = pytest.importorskip("xllamacpp")
    import json
    import urllib.request

    path = tmp_path / "m.gguf"
    save_gguf(model, tokenizer, path, "test")
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.n_ctx, settings.n_parallel = str(path), 512, 1
    settings.cpuparams.n_threads, settings.verbosity, settings.warmup = 1, 0, False
    server = xllamacpp.Server(settings)

    def post(route: str, body: dict) -> dict:
        request = urllib.request.Request(
            server.listening_address + route, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    messages = [{"role": "user", "content": "What is 3+4?"}]
    assert post("/apply-template", {"messages": messages})["prompt"] == PROMPTS[0]
    text = PROMPTS[0] + "<think>\n3+4\n\nWait"
    assert post("/tokenize", {"content": text, "parse_special": True})["tokens"] == (
        tokenizer.encode(text).ids
    )
    body = {"messages": messages, "temperature": 0, "max_tokens": 1}
    body |= {"logprobs": True, "top_logprobs": 10}
    (first,) = post("/v1/chat/completions", body)["choices"][0]["logprobs"]["content"]
    with torch.inference_mode():
        hidden = model.model(torch.tensor([tokenizer.encode(PROMPTS[0]).ids]))[0, -1]
        ours = (hidden @ model.model.embed_tokens.weight.T).log_softmax(-1)
    assert len(first["top_logprobs"]) == 10
    for token in first["top_logprobs"]:
        assert token["logprob"] == pytest.approx(ours[token["id"]].item(), abs=0.05)


def test_interleaving_pairs_the_two_halves_of_each_head():
    rows = torch.arange(8.0)[:, None]
    assert interleave(rows, heads=2).flatten().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_padding_changes_no_loss(model, tokenizer):
    rows = [(tokenizer.encode(p).ids, 3) for p in PROMPTS]
    alone = [model.loss(*collate([row], 0)) * (len(row[0]) - 3) for row in rows]
    together = model.loss(*collate(rows, 0))
    learned = sum(len(ids) - 3 for ids, _ in rows)
    assert together.item() == pytest.approx(sum(x.item() for x in alone) / learned, rel=1e-4)


def test_batches_keep_every_row_and_the_limit():
    import random

    rows = [([1] * n, 0) for n in (5, 90, 30, 7, 7, 40, 200)]
    batches = cut(rows, 100, lambda row: len(row[0]), random.Random(0))
    assert sorted(len(ids) for batch in batches for ids, _ in batch) == [5, 7, 7, 30, 40, 90, 200]
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(len(ids) for ids, _ in batch) <= 100


def test_prompts_and_prefill_are_not_learned(tokenizer):
    from ttscale.worlds.arithmetic.training_documents import Document

    made = Document("quick", "S", "Q", "\\boxed{4}", "<think>\n\n</think>\n\n")
    ((ids, given),) = encode(tokenizer, [made])
    assert tokenizer.decode(ids[given:], skip_special_tokens=False) == "\\boxed{4}" + END


def test_scored_positions_are_step_ends_and_the_last_token(tokenizer):
    prompt, reply = PROMPTS[0], "<think>\n3+4\n\n3+4=7\n</think>\n\n\\boxed{7}"
    given = len(tokenizer.encode(prompt).ids)
    ids = tokenizer.encode(prompt + reply).ids
    found = scored_positions(tokenizer, ids, given)
    ends = [tokenizer.decode(ids[given : at + 1], skip_special_tokens=False) for at in found]
    assert ends == ["<think>\n3+4\n\n", "<think>\n3+4\n\n3+4=7\n</think>\n\n", reply]


def test_a_reward_model_begins_as_the_reasoner(model, tokenizer):
    ids = torch.tensor([tokenizer.encode(PROMPTS[1]).ids])
    reward = start_from(model, layers=4)
    assert len(reward.model.layers) == 4
    assert torch.allclose(reward.model(ids), model.model(ids), atol=1e-5)
    assert (reward(ids) == 0).all()


def test_impressions_are_the_reasoners_log_probabilities_standardised(model, tokenizer):
    prompt = tokenizer.encode(PROMPTS[0]).ids
    replies = [tokenizer.encode(text).ids for text in ("<think>\n3+4=7", "<think>\nWait")]
    rows = [Labelled(0, prompt + reply, len(prompt), {}) for reply in replies]
    found = impressions(model, rows)
    assert [part.shape for part in found] == [(len(reply), 3) for reply in replies]
    expected = []
    for row in rows:
        logs = []
        for at in range(row.given, len(row.ids)):
            hidden = model.model(torch.tensor([row.ids[:at]]))[0, -1]
            odds = (hidden @ model.model.embed_tokens.weight.T).log_softmax(-1)
            logs.append(max(odds[row.ids[at]].item(), LOWEST))
            expected.append([logs[-1], sum(logs) / len(logs), min(logs)])
    wanted = torch.tensor(expected)
    wanted = (wanted - wanted.mean(0)) / wanted.std(0).clamp_min(1e-6)
    assert torch.allclose(torch.cat(found), wanted, atol=1e-2)


def test_reward_loss_reads_scored_positions_and_replies_only(model, tokenizer):
    learner = Learner(start_from(model, layers=3))  # a zero head: every logit is 0
    torch.nn.init.zeros_(learner.impression.weight)
    torch.nn.init.zeros_(learner.impression.bias)
    rows = [Labelled(0, [5, 6, 7, 8], 2, {1: 0.25, 3: 1.0}), Labelled(0, [5, 6, 7], 2, {2: 0.0})]
    seen = [torch.full((2, 3), -2.0), torch.full((1, 3), -1.0)]
    ids, labels, found, questions = next(batches(tokenizer, rows, seen, 100, random.Random(0)))
    assert ids.shape == labels.shape == (2, 4)
    assert found.shape == (2, 4, 3)
    expected = 2 * math.log(2) + (2 * 4 + 1) / 3  # outcomes, one pair, impressions
    assert learner.loss(ids, labels, found, questions).item() == pytest.approx(expected, abs=1e-3)
