"""Model files and packages that are not there, told before anything is loaded."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from ttscale.core import UsageError, install_command
from ttscale.engines.llamacpp import LlamaCpp


async def test_without_the_wheel_the_install_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(UsageError, match=re.escape(install_command("llamacpp"))):
        await LlamaCpp(file).open()


async def test_what_is_no_model_file_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    text = tmp_path / "text.gguf"
    text.write_text("hello")
    with pytest.raises(UsageError, match="not a GGUF model file"):
        await LlamaCpp(text).open()
    with pytest.raises(UsageError, match="No such file"):
        await LlamaCpp(tmp_path / "none.gguf").open()
    with pytest.raises(UsageError, match="context=0"):
        LlamaCpp(text, context=0)
