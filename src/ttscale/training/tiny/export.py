"""Save a trained model as a Hugging Face folder and as GGUF, both in 16-bit floats."""

import json
from pathlib import Path
from typing import Any

import gguf
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from .model import ProcessRewardModel, Reasoner, Shape
from .tokenizer import CHAT_TEMPLATE, CONTROL, END, PAD, WRITTEN, save_tokenizer


def llama_config(
    shape: Shape, tokenizer: Tokenizer, architecture: str = "LlamaForCausalLM"
) -> dict[str, Any]:
    """config.json of the Hugging Face folder."""
    return {
        "architectures": [architecture],
        "model_type": "llama",
        "vocab_size": shape.vocab,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.width // shape.heads,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context,
        "rope_theta": shape.theta,
        "rms_norm_eps": shape.eps,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": None,
        "eos_token_id": tokenizer.token_to_id(END),
        "pad_token_id": tokenizer.token_to_id(PAD),
        "torch_dtype": "float16",
    }


def half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in state.items()}


def save_hf(model: Reasoner, tokenizer: Tokenizer, folder: Path) -> None:
    """A folder that `AutoModelForCausalLM` and `AutoTokenizer` load unchanged."""
    save_tokenizer(tokenizer, folder, model.shape.context)
    save_file(half(model.state_dict()), folder / "model.safetensors", metadata={"format": "pt"})
    config = llama_config(model.shape, tokenizer)
    ends = {key: config[key] for key in ("eos_token_id", "pad_token_id")}
    generation = {**ends, "do_sample": True, "temperature": 1.0}
    _write_json(folder / "config.json", config)
    _write_json(folder / "generation_config.json", generation)


def save_prm(model: ProcessRewardModel, tokenizer: Tokenizer, folder: Path) -> None:
    """A folder that `AutoModelForTokenClassification` loads: one logit per position."""
    save_tokenizer(tokenizer, folder, model.shape.context)
    state = half(model.state_dict())
    state["score.bias"] = torch.zeros(1, dtype=torch.float16)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = llama_config(model.shape, tokenizer, "LlamaForTokenClassification")
    labels = {"id2label": {"0": "right"}, "label2id": {"right": 0}, "classifier_dropout": 0.0}
    _write_json(folder / "config.json", {**config, **labels})


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


TENSORS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def interleave(weight: Tensor, heads: int) -> Tensor:
    """Query or key rows from the rotary order of Hugging Face (halves) to llama.cpp's (pairs)."""
    rows, width = weight.shape
    return weight.view(heads, 2, rows // heads // 2, width).transpose(1, 2).reshape(rows, width)


def save_gguf(
    model: Reasoner, tokenizer: Tokenizer, path: Path, name: str, template: str = CHAT_TEMPLATE
) -> None:
    """One file for llama.cpp: weights, tokenizer and chat template."""
    shape = model.shape
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(name)
    writer.add_license("apache-2.0")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(shape.theta)
    writer.add_layer_norm_rms_eps(shape.eps)
    writer.add_vocab_size(shape.vocab)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    _add_vocabulary(writer, tokenizer)
    writer.add_chat_template(template)
    for key, tensor in model.state_dict().items():
        kind = key.removesuffix(".weight").removeprefix("model.")
        tensor = tensor.detach().float().cpu()
        if kind == "embed_tokens":
            writer.add_tensor("token_embd.weight", tensor.half().numpy())
        elif kind == "norm":
            writer.add_tensor("output_norm.weight", tensor.numpy())
        else:
            _, layer, part = kind.split(".", 2)
            if part in ("self_attn.q_proj", "self_attn.k_proj"):
                tensor = interleave(tensor, shape.heads)
            target = f"blk.{layer}.{TENSORS[part]}.weight"
            writer.add_tensor(target, (tensor if tensor.ndim == 1 else tensor.half()).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    ids = tokenizer.get_vocab()
    tokens = sorted(ids, key=ids.__getitem__)
    kinds = dict.fromkeys(CONTROL, gguf.TokenType.CONTROL) | dict.fromkeys(
        WRITTEN, gguf.TokenType.USER_DEFINED
    )
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(t, gguf.TokenType.NORMAL) for t in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_eos_token_id(ids[END])
    writer.add_pad_token_id(ids[PAD])
    writer.add_add_bos_token(False)
