"""What a reply says, apart from what it thought: for the finding of answers, whatever the tags.

Models mark their thinking in many ways, open it twice, close what they never opened, or stop in the
middle of it. Nothing inside counts, nor anything before a tag that only closes.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ..core import Trace

_NAMES = r"think(?:ing)?|thoughts?|reasoning|reflection|scratchpad|analysis|seed:think|inner_thoughts"
_TAG = re.compile(
    rf"<\s*(?P<close>/)?\s*(?:{_NAMES})\s*>"
    r"|\[(?P<close2>/)?\s*THINK(?:ING)?\s*\]"
    r"|◁\s*(?P<close3>/)?\s*think(?:ing)?\s*▷"
    r"|<\|\s*(?:(?P<close4>/|end_of_|end_)|begin_of_|start_of_)?(?:thinking|think|thought)\s*\|>",
    re.IGNORECASE,
)
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<name>\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>(?P<text>.*?)"
    r"(?=<\|(?:end|start|channel|return|call)\|>|\Z)",
    re.DOTALL,
)
_BARE_CHANNEL = re.compile(r"\A\s*analysis(?=[A-Z\"'\d\\$]|\s*\n)|assistant\s*(?=final|analysis|commentary)")
_BARE_FINAL = re.compile(r"(?:assistant|\A\s*)final(?=\W|[A-Z\d])")
_TOKEN = re.compile(
    r"<\|(?:end|start|return|call|channel|message|im_end|im_start|eot_id|endoftext)\|>|</s>|<eos>|<end_of_turn>"
)


def reply_of(trace: Trace) -> str:
    """What a trace says apart from what it thought; an engine that tells the two apart is believed."""
    return answer_text(trace.text) if trace.thinking_at is None else trace.answer_text


@lru_cache(maxsize=256)
def answer_text(text: str) -> str:
    """The text outside all thinking, without the tokens of a chat format; "" if there is none."""
    if "<|channel|>" in text:
        finals = [m["text"] for m in _CHANNEL.finditer(text) if m["name"].casefold() == "final"]
        text = finals[-1] if finals else ""
    elif _BARE_CHANNEL.search(text):
        marks = list(_BARE_FINAL.finditer(text))
        if not marks and not text.lstrip().startswith("analysis"):
            return _untagged(text)
        text = text[marks[-1].end() :] if marks else ""
    return _untagged(text)


def _untagged(text: str) -> str:
    kept: list[str] = []
    depth = start = 0
    for tag in _TAG.finditer(text):
        closes = any(tag[name] for name in ("close", "close2", "close3", "close4"))
        if not closes:
            if not depth:
                kept.append(text[start : tag.start()])
            depth = 1  # a second opening inside is not a second level: models forget to close the first
        else:
            if not depth:
                kept.clear()
            depth, start = 0, tag.end()
    if not depth:
        kept.append(text[start:])
    return _TOKEN.sub("", "".join(kept)).strip("\n")
