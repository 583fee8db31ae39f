"""What hosted models cost, as far as `prices.toml` knows: with the day it was read, and where."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ...core import Price
from ...core.settings.declared import read

_TABLE = Path(__file__).with_name("prices.toml")
_DATED = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2})$")


class ListPrice(NamedTuple):
    """A price, and since when and from where it is known."""

    price: Price
    read: date
    source: str


@cache
def listed_prices() -> Mapping[tuple[str, str], ListPrice]:
    """(provider, model) -> its price in US dollars."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    found = {}
    for provider, table in tables.items():
        day, source = table.pop("read"), table.pop("source")
        for model, price in table.items():
            found[provider, model] = ListPrice(read(Price, price, f"{_TABLE.name}: {model}"), day, source)
    return found


def listed_price(provider: str, model: str) -> ListPrice | None:
    """The price of a provider's model, also of one whose name ends with a date; None if not known."""
    prices = listed_prices()
    return prices.get((provider, model)) or prices.get((provider, _DATED.sub("", model)))
