"""Keys of servers: read from the environment or a file, and shown nowhere."""

from __future__ import annotations

import os
from pathlib import Path

from ...core import AuthError


class Key:
    """A secret: request headers carry it, and nothing else shows it."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    @classmethod
    def read(cls, env: str | None = None, file: str | Path | None = None) -> Key:
        """The key in environment variable `env` or in `file`; without either, no key.

        Raises `AuthError` if it is not there or cannot be a key.
        """
        if env is not None:
            text, where = os.environ.get(env, ""), f"environment variable {env}"
            fix = f"export {env}=..."
        elif file is not None:
            where, fix = f"key file {file}", "write the key, and nothing else, into that file"
            try:
                text = Path(os.path.expanduser(file)).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not a text"
                raise AuthError(f"{where} cannot be read ({reason})", fix=fix) from None
        else:
            return cls()
        text = text.strip()
        if not text:
            raise AuthError(f"{where} is empty or not set", fix=fix)
        if not text.isascii() or not text.isprintable() or " " in text:
            raise AuthError(f"{where} does not hold a key", fix=fix)
        return cls(text)

    def headers(self, name: str | None = None) -> dict[str, str]:
        """The header that carries the key: by default, and as Authorization, behind the word Bearer;
        alone in any other. Empty without a key."""
        if not self._text:
            return {}
        if name is None or name.lower() == "authorization":
            return {"Authorization": f"Bearer {self._text}"}
        return {name: self._text}

    def hide(self, text: str) -> str:
        """`text` with the key blotted out: servers like to quote what they refuse."""
        return text.replace(self._text, "***") if self._text else text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Key(***)" if self._text else "Key()"
