"""The addresses clients really build: whatever stands before an endpoint, the endpoint decides.

A base URL is given with or without /v1, twice, with a slash at its end, with the endpoint itself in
it, or as Azure has it, where the deployment in the path names the model:

    /openai/deployments/NAME/chat/completions?api-version=...
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

_GENERATES = "chat/completions|completions|responses|embeddings"
_API = re.compile(
    rf"(?:(?:api|openai|v1|{_GENERATES})/)*"
    rf"(?:(?:deployments|engines)/(?P<deployment>.+?)/(?:v1/)?)?"
    rf"(?P<endpoint>{_GENERATES}|models(?:/(?P<model>.+))?)"
)


class Address(NamedTuple):
    """Where a request is meant to go.

    Attributes:
        path: the gateway's own, without the name of a model.
        model: that the path names; "" if it names none.
    """

    path: str
    model: str = ""


def address(raw_path: str) -> Address:
    """The address that a path, as it came (percent-encoded, without its query), means."""
    path = "/".join(segment for segment in raw_path.split("/") if segment)
    found = _API.fullmatch(path)
    if found is None:
        return Address(f"/{path}")
    named = found["model"] or found["deployment"] or ""
    endpoint = "models" if found["model"] else found["endpoint"]
    return Address(f"/v1/{endpoint}", unquote(named, errors="replace"))
