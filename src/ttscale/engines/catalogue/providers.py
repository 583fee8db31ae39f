"""Services and servers by name: what is known of them stands in `providers.toml`, and what a user adds in
the configuration."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from ...core import OneOf, declared
from ...core.cards.vocabulary import CAPABILITIES
from ...core.settings.declared import read

_TABLE = Path(__file__).with_name("providers.toml")


@declared
class Provider:
    """Where a service is and how it wants to be asked; see `providers.toml` for the fields."""

    about: str = ""
    address: str = ""
    key_env: str | None = None
    key_in: str | None = None
    api: Literal["openai", "anthropic"] = "openai"
    effort: Literal["reasoning_effort", "reasoning"] = "reasoning_effort"
    seeds: bool = True
    can: tuple[Annotated[str, OneOf(CAPABILITIES)], ...] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    keys: str = ""


@cache
def known_providers() -> Mapping[str, Provider]:
    """Scheme -> provider, for those that come with this package."""
    tables = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return {name: read(Provider, table, f"{_TABLE.name}: {name}") for name, table in tables.items()}
