"""Prompts as the model's own tokens."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from ...core import CapabilityError, EngineError, Prompt
from .decoding.prefix_cache import Ids

_KEPT = 256


class Prompts:
    """Writes prompts with the tokenizer's chat template and turns them into tokens.

    The beginning of a reply follows the template's own opening of a reply, exactly where the model
    itself would have written it. Asking the template to end in an unfinished turn is not the same:
    templates that open the thinking, or drop it from earlier turns, would lose what was given.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        self._tokenizer, self._name = tokenizer, name
        self._written: OrderedDict[tuple[str, str], Ids] = OrderedDict()

    def ids(self, prompt: Prompt, settings: Mapping[str, Any] | None = None) -> Ids:
        """The tokens of a prompt; `settings` are further variables of the chat template."""
        key = (prompt.key, repr(sorted((settings or {}).items())))
        found = self._written.get(key)
        if found is None:
            found = self.encode(*self.text(prompt, settings))
            self._written[key] = found
            while len(self._written) > _KEPT:
                self._written.popitem(last=False)
        return found

    def with_text(self, prompt: Prompt, text: str) -> tuple[Ids, int]:
        """(tokens of prompt and text together, where those of the text begin): the first token
        that the prompt alone would not have."""
        written, special = self.text(prompt)
        whole, before = self.encode(written + text, special), self.ids(prompt)
        if not text:
            return before, len(before)
        same = (i for i, (a, b) in enumerate(zip(whole, before)) if a != b)
        return whole, next(same, min(len(whole), len(before)))

    def text(self, prompt: Prompt, settings: Mapping[str, Any] | None = None) -> tuple[str, bool]:
        """(the prompt as text, whether the tokenizer has yet to add its special tokens)."""
        if prompt.raw is not None:
            return prompt.raw + prompt.prefix, True
        if prompt.has_images:
            raise CapabilityError(f"model {self._name} sees no images", fix="use a server for this role")
        if not getattr(self._tokenizer, "chat_template", None):
            raise CapabilityError(
                f"model {self._name} has no chat template", fix="use a chat model, or raw prompts"
            )
        try:
            written = self._tokenizer.apply_chat_template(
                [message.as_openai() for message in prompt.messages],
                tokenize=False,
                add_generation_prompt=True,
                **(settings or {}),
            )
        except Exception as error:  # a template raises whatever it likes: roles out of order
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EngineError(f"the chat template of {self._name} refuses the prompt ({line})") from None
        return str(written) + prompt.prefix, False

    def encode(self, text: str, special: bool) -> Ids:
        """Tokens of a text, with the tokenizer's special tokens around it or without."""
        return tuple(self._tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"])
