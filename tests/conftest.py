"""What all tests share; the test doubles live in `doubles.py` beside this file."""

from __future__ import annotations

from importlib.util import find_spec

from hypothesis import HealthCheck, settings

settings.register_profile(
    "ttscale", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("ttscale")

if not all(find_spec(name) for name in ("torch", "tokenizers", "gguf")):
    collect_ignore = ["training"]  # the recipe needs the train extra
