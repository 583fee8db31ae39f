"""The batch: rows join, take one token each per step, and leave."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .kv_cache import Past
from .prefix_cache import Ids, Prefixes
from .sampler import Chooser, Sampler
from .sequence import Row

_CHUNK = 512  # tokens of a given text read at a time: bounds the logits in memory


class Decoder:
    """A causal language model and the rows it is generating. Not thread-safe.

    Args:
        ends: ids of the tokens that end a reply.
        reuse: texts whose keys and values are kept, for prompts that begin with them.
        chooser: logits -> tokens.
    """

    def __init__(
        self, model: Any, ends: frozenset[int], *, reuse: int = 8, chooser: Chooser | None = None
    ) -> None:
        self.model, self.chooser = model, chooser or Sampler()
        self.device = next(model.parameters()).device
        self.rows: list[Row] = []
        self.prefixes = Prefixes(reuse)
        self._ends = torch.tensor(sorted(ends), dtype=torch.long, device=self.device)
        self._layers = int(model.config.get_text_config().num_hidden_layers)
        self._past = Past(self._layers)
        self._valid: Tensor | None = None  # which columns belong to a row, (rows, room)
        known = inspect.signature(model.forward).parameters
        self._positions = "position_ids" in known
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in known else {}
        # its name in newer versions of transformers; older ones and custom models know the other
        self._cache = "cache" if "cache" in known else "past_key_values"

    # -- generating

    def step(self, newcomers: Sequence[Row] = ()) -> list[Row]:
        """One more token for every row, newcomers' first included; the rows, as they stood in the
        step. Those that have finished have left."""
        parts = [self._next()] if self.rows else []
        rows = list(self.rows)
        if newcomers:
            rows += self._admit(newcomers, parts)
        logits = torch.cat(parts) if len(parts) > 1 else parts[0]
        self._push(rows, logits.float())
        self.rows = rows
        self.keep([row for row in rows if row.finish is None])
        return rows

    def keep(self, staying: Sequence[Row]) -> None:
        """Let all other rows go."""
        if len(staying) == len(self.rows):
            return
        chosen = set(map(id, staying))
        for index, row in enumerate(self.rows):
            if id(row) not in chosen and (row.finish is not None or row.cut):
                self._remember(index, row)
        self._past.keep([i for i, row in enumerate(self.rows) if id(row) in chosen])
        self.rows = [row for row in self.rows if id(row) in chosen]
        self._valid = None

    def clear(self) -> None:
        """Forget all rows and all kept texts."""
        self.rows, self._past, self._valid = [], Past(self._layers), None
        self.prefixes.clear()

    def _next(self) -> Tensor:
        """Logits after every row's last token, (rows, vocabulary)."""
        rows, past = self.rows, self._past
        ids = torch.tensor([[row.last] for row in rows], device=self.device)
        at = torch.tensor([[row.position] for row in rows], device=self.device)
        mask = None
        if any(past.starts):
            mask = self._mask(past.length + 1)
        return self._forward(ids, at, past, mask)[:, -1]

    def _mask(self, columns: int) -> Tensor:
        """Which of so many columns belong to each row, (rows, columns)."""
        if self._valid is None or self._valid.shape[1] < columns:
            starts = torch.tensor(self._past.starts, device=self.device)
            self._valid = torch.arange(columns + 256, device=self.device) >= starts[:, None]
        return self._valid[:, :columns]

    def _admit(self, newcomers: Sequence[Row], parts: list[Tensor]) -> list[Row]:
        """Read the newcomers' prompts, each different one once; the rows in their order in the
        batch, and the logits of their first tokens added to `parts`."""
        groups: dict[Ids, list[Row]] = {}
        for row in newcomers:
            groups.setdefault(row.prompt, []).append(row)
        joining, ordered = [], []
        for prompt, group in groups.items():
            past, logits, cached = self._read_prompt(prompt)
            group[0].cached = cached
            for row in group[1:]:
                row.cached = len(prompt)
            joining.append((past, len(group)))
            ordered += group
            parts.append(logits.expand(len(group), -1))
        self._past.join(joining)
        self._valid = None
        return ordered

    def _read_prompt(self, prompt: Ids) -> tuple[Past, Tensor, int]:
        """(its cache, logits of the next token, how many of its tokens were read before)."""
        known = self.prefixes.whole(prompt)
        if known is not None:
            return *known, len(prompt)
        past = self._begin(prompt, len(prompt) - 1)
        cached = past.length
        logits = torch.empty(0)
        for _, after in self._read(prompt, past, **self._last_only):
            logits = after[:, -1].clone()
        self.prefixes.put(prompt, past, logits)
        return past, logits, cached

    def _push(self, rows: Sequence[Row], logits: Tensor) -> None:
        """Choose and take the next tokens; `logits`, (rows, vocabulary), are the model's own."""
        requested = [row.alternatives for row in rows if row.alternatives is not None]
        before = logits.log_softmax(-1) if requested else None
        early = [i for i, row in enumerate(rows) if not row.may_end]
        if early and len(self._ends):
            logits = logits.clone()
            logits[torch.tensor(early, device=logits.device)[:, None], self._ends] = float("-inf")
        tokens = self.chooser(logits, rows)
        sampled: list[float | None] = [None] * len(rows)
        confs: list[float | None] = [None] * len(rows)
        if before is not None:
            own = before.gather(1, tokens[:, None]).squeeze(1).tolist()
            top = mean_of_top(before, max(requested)).tolist() if max(requested) else []
            for i, row in enumerate(rows):
                if row.alternatives is not None:
                    sampled[i] = own[i]
                    if row.alternatives:
                        most = min(row.alternatives, before.shape[1])
                        confs[i] = -top[i][most - 1]
        for row, token, logprob, conf in zip(rows, tokens.tolist(), sampled, confs, strict=True):
            row.push(token, logprob, conf)

    def _remember(self, index: int, row: Row) -> None:
        """Keep the text of a row that leaves, for a prompt that goes on from it."""
        if self.prefixes.most:
            read = (*row.prompt, *row.ids[:-1])  # the last token was never fed
            if len(read) > len(row.prompt):
                self.prefixes.put(read, self._past.row(index, len(read)))

    # -- reading a given text

    def score(self, ids: Ids, first: int, top: int) -> tuple[Tensor, Tensor]:
        """(log-probabilities of the tokens from `first` on, minus the mean of the `top` most
        probable at each), in nats, at temperature 1. The first token of all has neither."""
        first = max(first, 1)
        past = self._begin(ids, first - 1)
        own, confs = [], []
        for at, logits in self._read(ids[:-1], past):
            skip = max(0, first - 1 - at)
            logprobs = logits[0, skip:].float().log_softmax(-1)
            if not len(logprobs):
                continue
            target = ids[at + skip + 1 : at + logits.shape[1] + 1]
            chosen = torch.tensor(target, device=logits.device)[:, None]
            own.append(logprobs.gather(1, chosen).squeeze(1).cpu())
            confs.append(-mean_of_top(logprobs, top)[:, -1].cpu())
        if not own:
            return torch.empty(0), torch.empty(0)
        return torch.cat(own), torch.cat(confs)

    def hidden(self, ids: Ids, first: int, layers: Sequence[int] | None) -> Tensor:
        """Hidden states of the tokens from `first` on, (layers, tokens, width), on the CPU in
        float32. Layer 0 is the embedding."""
        read = torch.tensor([ids], device=self.device)
        states = self.model(
            input_ids=read, output_hidden_states=True, use_cache=False, **self._last_only
        ).hidden_states
        chosen = range(len(states)) if layers is None else layers
        return torch.stack([states[layer][0, first:].float().cpu() for layer in chosen])

    def _begin(self, ids: Ids, most: int) -> Past:
        """A cache that holds the longest known beginning of `ids`, up to `most` tokens."""
        known = self.prefixes.longest(ids, most)
        if known is not None:
            return known
        past = Past(self._layers)
        past.starts = [0]
        return past

    def _read(self, ids: Ids, past: Past, **settings: Any) -> Iterator[tuple[int, Tensor]]:
        """Read what `past` does not hold yet: (position of the first token, logits after each,
        (1, tokens, vocabulary)) per chunk."""
        while past.length < len(ids):
            at = past.length
            chunk = torch.tensor([ids[at : at + _CHUNK]], device=self.device)
            where = torch.arange(at, at + chunk.shape[1], device=self.device)[None]
            yield at, self._forward(chunk, where, past, None, **settings)

    def _forward(self, ids: Tensor, at: Tensor, past: Past, mask: Tensor | None, **settings: Any) -> Tensor:
        if self._positions:
            settings["position_ids"] = at
        settings[self._cache] = past.cache
        output: Tensor = self.model(input_ids=ids, attention_mask=mask, use_cache=True, **settings).logits
        return output


def mean_of_top(logprobs: Tensor, most: int) -> Tensor:
    """Means of the 1, 2, ... `most` largest of each row, (rows, most)."""
    best = logprobs.topk(min(most, logprobs.shape[1])).values
    counts = torch.arange(1, best.shape[1] + 1, device=best.device)
    return best.cumsum(-1) / counts
