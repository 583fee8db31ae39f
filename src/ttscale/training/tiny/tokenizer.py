"""The tokenizer: byte-level BPE, a token per digit, the blank line a token of its own.

Its pre-tokenizer is the one llama.cpp calls "qwen2", so the same file of merges gives the same ids
there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

from ...core.thinking import THINK

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PAD, SYSTEM, USER, ASSISTANT, END = "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
CONTROL = (PAD, SYSTEM, USER, ASSISTANT, END)
WRITTEN = (THINK.opening, THINK.closing, "\n\n")  # tokens that appear in a reply's text


def chat_template(system: str) -> str:
    """The template of a model that takes this system message where a chat has none."""
    return (
        f"{{%- if messages[0]['role'] != 'system' -%}}{{{{ '{SYSTEM}{system}' }}}}{{%- endif -%}}"
        "{%- for message in messages -%}"
        "{{ '<|' + message['role'] + '|>' + message['content'] }}"
        "{%- if message['role'] == 'assistant' -%}{{ '<|end|>' }}{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}"
        "{%- if thinking is defined and thinking is false -%}"
        "{{ '" + THINK.wrap("", "").replace("\n", "\\n") + "' }}{%- endif -%}"
        "{%- endif -%}"
    )


CHAT_TEMPLATE = chat_template("Think step by step.")
VERBOSE_TEMPLATE = chat_template("Think at length.")


def chat(system: str, user: str) -> str:
    """What CHAT_TEMPLATE makes of a system and a user message, up to where the reply begins."""
    return f"{SYSTEM}{system}{USER}{user}{ASSISTANT}"


def train_tokenizer(texts: list[str], vocab_size: int = 1024) -> Tokenizer:
    """A tokenizer trained on `texts`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(WRITTEN),
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((t.replace("\n\n", "\n") for t in texts), trainer)
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in WRITTEN])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """tokenizer.json, tokenizer_config.json and chat_template.jinja, as transformers reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": END,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
