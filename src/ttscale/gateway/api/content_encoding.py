"""Bodies that clients have compressed: gzip, deflate, zstd and, where a library is there, brotli.

None is inflated beyond what a body may have, whatever a few bytes promise to become.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec

from ..errors import ApiError, wrong

_WINDOW = 1 << 23  # bytes: the most that zstd may look back in a body (RFC 9659)


def too_large(most: int) -> ApiError:
    """The refusal of a body with more bytes than it may have."""
    return ApiError(413, f"a body may have {most} bytes", code="body_too_large")


def inflated(raw: bytes, encodings: str, most: int) -> bytes:
    """A body without the encodings of its Content-Encoding, the last of which was applied last.

    Raises:
        ApiError: 413 if it has more than `most` bytes then, 415 for an encoding that is not known
            here, 400 for what cannot be read.
    """
    for name in reversed([name.strip().lower() for name in encodings.split(",")]):
        if name in ("", "identity"):
            continue
        inflate = _INFLATERS.get(name)
        if inflate is None:
            known = ", ".join(name for name in _INFLATERS if not name.startswith("x-"))
            raise ApiError(
                415,
                f"bodies encoded as {name!r} cannot be read here: send one of {known}, or none",
                code="unsupported_encoding",
                headers={"Accept-Encoding": known},
            )
        try:
            raw = inflate(raw, most + 1)
        except Exception as error:  # each library has one of its own
            raise wrong(f"the body is not {name}: {error}", code="invalid_body") from None
        if len(raw) > most:
            raise too_large(most)
    return raw


def _gzip(raw: bytes, most: int) -> bytes:
    return gzip.GzipFile(fileobj=io.BytesIO(raw)).read(most)


def _deflate(raw: bytes, most: int) -> bytes:
    """What is called deflate: in zlib's wrapping, as it should be, or bare, as some send it."""
    wrapped = raw[:1] and raw[0] & 0x0F == 8 and int.from_bytes(raw[:2]) % 31 == 0
    inflater = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
    text = inflater.decompress(raw, most)
    if not inflater.eof and len(text) < most:
        raise EOFError("it breaks off")
    return text


def _zstd(raw: bytes, most: int) -> bytes:
    import zstandard

    inflater = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    return inflater.stream_reader(raw, read_across_frames=True).read(most)


def _brotli(raw: bytes, most: int) -> bytes:
    brotli = import_module("brotli")
    inflater, text = brotli.Decompressor(), b""
    while len(text) < most and not inflater.is_finished():
        piece = inflater.process(raw, output_buffer_limit=most - len(text))
        if not piece and inflater.can_accept_more_data():
            raise EOFError("it breaks off")
        text, raw = text + piece, b""
    return text


def _inflaters() -> Iterator[tuple[str, Callable[[bytes, int], bytes]]]:
    """What can be read here: (encoding, a function of the bytes and how many may come of them)."""
    yield from (("gzip", _gzip), ("x-gzip", _gzip), ("deflate", _deflate))
    if find_spec("zstandard"):
        yield "zstd", _zstd
    if find_spec("brotli"):
        yield "br", _brotli


_INFLATERS = dict(_inflaters())
