"""Compressed bodies are read, whatever compressed them, and never grow beyond what a body may have."""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc
import zlib

import pytest
import zstandard
from gateway.harness import USER, Model, world

from ttscale.gateway.api.content_encoding import inflated
from ttscale.gateway.errors import ApiError

TEXT = json.dumps({"model": "m", "messages": USER, "noise": random.Random(1).randbytes(5000).hex()}).encode()
MOST = len(TEXT)


def bare(text: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(text) + deflater.flush()


def frames(text: bytes) -> bytes:
    return zstandard.compress(text[:700]) + zstandard.compress(text[700:])


def brotlied(text: bytes) -> bytes:
    return pytest.importorskip("brotli", reason="pip install brotli").compress(text)


def read(raw: bytes, name: str) -> bytes | str:
    """What a body is read as, or the code of its refusal."""
    try:
        return inflated(raw, name, MOST)
    except ApiError as refused:
        return "invalid_body" if (refused.status, refused.code) == (400, "invalid_body") else "another error"


ENCODED = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "members": ("gzip", lambda text: gzip.compress(text[:9]) + gzip.compress(text[9:])),
    "deflate": ("deflate", zlib.compress),
    "bare": ("Deflate", bare),
    "zstd": ("zstd", zstandard.compress),
    "frames": ("zstd", frames),
    "br": ("br", brotlied),
    "layers": ("gzip , zstd", lambda text: zstandard.compress(gzip.compress(text))),
    "identity": ("identity, gzip", gzip.compress),
}


@pytest.mark.parametrize(("name", "encode"), ENCODED.values(), ids=ENCODED)
def test_a_body_is_inflated_up_to_what_it_may_have(name, encode):
    assert inflated(encode(TEXT), name, MOST) == TEXT
    with pytest.raises(ApiError) as refused:
        inflated(encode(TEXT + b" "), name, MOST)
    assert refused.value.status == 413


@pytest.mark.parametrize(("name", "encode"), ENCODED.values(), ids=ENCODED)
def test_a_body_that_is_damaged_is_refused_or_read_as_far_as_it_goes(name, encode):
    whole = encode(TEXT)
    for damaged in (whole[:-9], whole[:7], b"\x00" * 40, whole[:40] + bytes(9) + whole[49:]):
        assert read(damaged, name) not in (TEXT, "another error")


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd", "br"])
def test_a_bomb_goes_off_at_the_limit_and_takes_no_more_memory(name):
    bomb = ENCODED[name][1](bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(ApiError) as refused:
            inflated(bomb, name, 100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.value.status == 413
    assert peak < 5_000_000


async def test_encoded_requests_are_answered_and_refused_as_others_are():
    model = Model()
    async with world(model, config={"server": {"max_body": 20_000}}) as w:

        async def send(encoding: str, raw: bytes) -> tuple[int, dict]:
            headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
            async with w.session.post(f"{w.url}/v1/chat/completions", data=raw, headers=headers) as reply:
                return reply.status, await reply.json()

        for name in ("gzip", "deflate", "zstd"):
            assert (await send(name, ENCODED[name][1](TEXT)))[0] == 200
            status, reply = await send(name, ENCODED[name][1](TEXT + b" " * 20_000))
            assert (status, reply["error"]["code"]) == (413, "body_too_large")
            status, reply = await send(name, b"not that")
            assert (status, reply["error"]["code"]) == (400, "invalid_body")
        assert model.raw == [TEXT] * 3  # passed on as it was before it was compressed
        assert "Content-Encoding" not in model.headers[-1]
        status, reply = await send("compress", TEXT)
        assert (status, reply["error"]["code"]) == (415, "unsupported_encoding")
        assert "gzip" in reply["error"]["message"]
