"""What all tests share; the test doubles live in `doubles.py` beside this file."""

from __future__ import annotations

import signal
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ttscale", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("ttscale")

# A shell's background job ignores Ctrl-C and its children inherit that; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if not all(find_spec(name) for name in ("torch", "tokenizers", "gguf")):
    collect_ignore = ["training"]  # the recipe needs the train extra


@pytest.fixture(autouse=True)
def _no_server_is_remembered(tmp_path, monkeypatch):
    """What a test finds out about a server is not believed of another on the same port."""
    from ttscale.engines import models, probe

    monkeypatch.setattr(models, "server_cache", lambda: tmp_path / "servers")
    probe.forget()
