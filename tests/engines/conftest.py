"""`async with desk(play, ...) as d`: an engine on a server that plays these plays."""

from __future__ import annotations

from typing import Any

import pytest
from engines.fake_server import opened


@pytest.fixture
def desk() -> Any:
    return opened
