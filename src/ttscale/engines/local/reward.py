"""A reward model in this process: one score per solution, or per step of it.

A checkpoint with a token classification head is a process reward model: it scores each step where
the step ends, with the chance that the solution will come out right. One with a sequence
classification head scores whole solutions with a number of its own scale.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from ...core import (
    CapabilityError,
    ContextOverflow,
    Generation,
    GenerationRequest,
    Problem,
    Rewards,
    Trace,
    UsageError,
)
from .decoding.prefix_cache import Ids
from .embedding import batches, pad
from .loading import Loaded, free, load_judge, located
from .tokenization import Prompts

_TOKENS = 8192  # padded tokens read at a time


class RewardLocal:
    """A reward model. Its `steps` are the scores of a process reward model, `values` the last ones.

    Args:
        model: a folder, or a name on the hub.
        separator: what stands between two steps of a solution.
        right: which label means right, of a head with several; the last one by default.
    """

    time: Literal["wall", "tokens"] = "wall"

    def __init__(
        self,
        model: str | Path,
        *,
        device: str = "auto",
        dtype: str | None = None,
        separator: str = "\n\n",
        right: int = -1,
        name: str = "",
        revision: str | None = None,
    ) -> None:
        if not separator:
            raise UsageError("separator is empty", fix="give what stands between two steps")
        self.path = located(model)
        self.name = name or f"reward:{Path(self.path).name}"
        self.device, self.dtype, self.revision = device, dtype, revision
        self.separator, self.right = separator, right
        self._loaded: Loaded | None = None
        self._by_token = False
        self._prompts: Prompts
        self._thread: ThreadPoolExecutor | None = None

    @property
    def capabilities(self) -> frozenset[str]:
        return frozenset({"reward"})

    async def open(self) -> None:
        """Load the model. Raises the typed error of a model that is missing or no reward model."""
        if self._loaded is not None:
            return
        loaded, self._by_token = await asyncio.to_thread(
            load_judge, self.path, self.device, self.dtype, self.revision
        )
        self._loaded, self._prompts = loaded, Prompts(loaded.tokenizer, self.name)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self.name)

    async def close(self) -> None:
        """Free the model."""
        thread, self._thread = self._thread, None
        if thread is None or self._loaded is None:
            return
        await asyncio.to_thread(thread.shutdown, True, cancel_futures=True)
        device, self._loaded = self._loaded.device, None
        free(device)

    def start(self, request: GenerationRequest) -> Generation:
        raise CapabilityError(f"{self.name} judges, it does not write", fix="ask another engine")

    async def reward(self, problem: Problem, traces: Sequence[Trace]) -> Rewards:
        """Scores of the texts as replies to the problem's own prompt."""
        if self._loaded is None:
            raise RuntimeError(f"{self.name} is not open")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._judge, problem, list(traces))

    def _judge(self, problem: Problem, traces: Sequence[Trace]) -> Rewards:
        import torch

        read = [self._marked(problem, trace.text) for trace in traces]
        steps: list[list[float]] = [[] for _ in traces]
        with torch.inference_mode():
            for batch in batches([len(ids) for ids, _ in read], _TOKENS):
                scores = self._scores([read[i] for i in batch])
                for index, own in zip(batch, scores, strict=True):
                    steps[index] = own
        tokens = sum(len(ids) for ids, _ in read)
        values = [own[-1] if own else 0.0 for own in steps]
        return Rewards(values, tokens, steps if self._by_token else None)

    def _scores(self, read: Sequence[tuple[Ids, list[int]]]) -> list[list[float]]:
        loaded = self._loaded
        assert loaded is not None
        ids, mask = pad([own for own, _ in read], loaded.device)
        if self._by_token:
            logits = loaded.model(input_ids=ids, attention_mask=mask).logits.float()
            chances = self._chances(logits).cpu().tolist()
            return [[row[at] for at in marks] for row, (_, marks) in zip(chances, read, strict=True)]
        # the head reads the last real token, which it must find by itself: one text at a time
        rows = [loaded.model(input_ids=ids[i : i + 1, : len(own)]) for i, (own, _) in enumerate(read)]
        return [[float(row.logits[0].float()[self.right])] for row in rows]

    def _chances(self, logits: Any) -> Any:
        """The chance of being right at every token, (texts, tokens)."""
        if logits.shape[-1] == 1:
            return logits.squeeze(-1).sigmoid()
        return logits.softmax(-1)[..., self.right]

    def _marked(self, problem: Problem, text: str) -> tuple[Ids, list[int]]:
        """(tokens of prompt and solution, which of them end a step): the last of each separator,
        and the last of all."""
        assert self._loaded is not None
        written, special = self._prompts.text(problem.prompt)
        whole, begin = self._prompts.with_text(problem.prompt, text)
        context = self._loaded.context
        if context is not None and len(whole) > context:
            raise ContextOverflow(
                f"a solution of {len(whole)} tokens with its prompt does not fit the {context} of "
                f"{self.name}",
                fix="judge shorter solutions",
            )
        if not self._by_token:
            return whole, [len(whole) - 1]
        read = self._loaded.tokenizer(written + text, add_special_tokens=special, return_offsets_mapping=True)
        last = {stop - 1: i for i, (_, stop) in enumerate(read["offset_mapping"]) if i >= begin}
        marks, at = [], len(written)
        while (at := (written + text).find(self.separator, at)) >= 0:
            at += len(self.separator)
            mark = next((last[c] for c in range(at - 1, len(written + text)) if c in last), None)
            if mark is not None and mark not in marks:
                marks.append(mark)
        if not marks or marks[-1] != len(whole) - 1:
            marks.append(len(whole) - 1)
        return whole, marks
