"""Model specifications: one line of text that says where tokens come from.

    llamacpp:FILE[?slots=8&ctx=4096&threads=2]     a GGUF file, served inside this process
    openai:MODEL@URL[,URL...][?key_env=NAME]       a server that speaks the OpenAI API, or replicas
    anthropic:MODEL, gemini:MODEL, ollama:MODEL    a service or server of the table in providers.toml
    transformers:FOLDER[?device=cpu&batch=16]      a Hugging Face model, in this process
    reward:FOLDER[?device=cpu]                     a reward model, for the role prm
    embedder:FOLDER[?device=cpu]                   a sentence embedder, for the role embedder
    replay:FILE[?where.model=X&columns.tokens=COL] recorded samples, in token time
    synthetic:p=0.7,length=200                     a distribution with known truth, in token time
    tiny                                           a known model, or an alias of the config

Settings of `Sampling` may stand in any query (`?temperature=0.6&max_tokens=512`): they hold where
neither the user nor the method asks for something else. Only a query at the very end is split off,
so file names may contain whatever the file system allows.
"""

from __future__ import annotations

import dataclasses
import os
import re

from ...core import Sampling, UnknownName, UsageError
from . import downloads
from .bundled import bundled_models
from .prices import listed_prices
from .schemes import opener, providers_of, schemes
from .settings import QUERY, sampling_of
from .source import Catalogue, ModelSource, Plain

_SCHEME = re.compile(r"([A-Za-z][\w+-]*):(?!//)")


def open_model(spec: str, catalogue: Catalogue | None = None) -> list[ModelSource]:
    """The sources a specification stands for: one, or for a recording one per model and task in it.

    Nothing is loaded or connected yet, except that recordings are read.

    Raises:
        UnknownName: for a scheme, model, alias or setting that is not known, with the nearest.
        UsageError: if the text cannot be read, or a file is missing.
        RecordError: if a recording is malformed, with file and line.
    """
    catalogue = catalogue or Plain()
    name, query = _named(spec.strip())
    requested = sampling_of(spec.strip()) if name in catalogue.aliases else Sampling()
    text, price, sampling, passed = spec.strip(), None, Sampling(), set()
    system = None
    while (alias := catalogue.aliases.get(name)) is not None:
        if name in passed:
            raise UsageError(f"alias {name!r} leads back to itself", fix="correct the config")
        passed.add(name)
        price, sampling = price or alias.price, sampling.over(alias.sampling)
        text = _joined(alias.spec.strip(), query)
        name, query = _named(text)
    if ":" not in name and name in known_names():  # no known name looks like a scheme
        passed.add(name)
        text = _joined(_spec_of(name), query)
        if (own := bundled_models().get(name)) is not None:
            system = own.system
    scheme, body = _scheme(text, catalogue)
    make = opener(scheme, catalogue)
    assert make is not None  # `_scheme` has looked
    sources = make(body, catalogue)
    own_name = _named(spec.strip())[0] if passed else ""
    return [
        dataclasses.replace(
            source,
            name=source.name if source.pools else own_name or source.name,
            spec=spec,
            price=price
            or catalogue.prices.get(own_name)
            or catalogue.prices.get(source.name)
            or source.price,
            sampling=requested.over(sampling).over(source.sampling),
            system=system,
        )
        for source in sources
    ]


def known_names() -> list[str]:
    """Models that need no specification: the bundled ones, and those that can be fetched."""
    return [*bundled_models(), *downloads.known_models()]


def _spec_of(name: str) -> str:
    own = bundled_models().get(name)
    return own.spec if own else f"llamacpp:{downloads.path_of(name)}"


def _named(text: str) -> tuple[str, str]:
    """(what may be a name, the query after it)."""
    query = QUERY.search(text)
    return (text[: query.start()], text[query.end() :]) if query else (text, "")


def _joined(spec: str, query: str) -> str:
    """A specification with more settings; of a setting given twice the later counts."""
    if not query:
        return spec
    return f"{spec}{'&' if QUERY.search(spec) else '?'}{query}"


def _scheme(text: str, catalogue: Catalogue) -> tuple[str, str]:
    """(scheme, what follows it); an error that names what was probably meant."""
    found = _SCHEME.match(text)
    if found is not None and opener(found[1], catalogue) is not None:
        return found[1], text[found.end() :]
    if text.startswith(("http://", "https://")):
        raise UsageError(f"model {text!r} is an address without a model", fix=f"write openai:MODEL@{text}")
    if os.path.isfile(os.path.expanduser(text)):
        scheme = "llamacpp" if text.lower().endswith(".gguf") else "replay"
        raise UsageError(f"model {text!r} is a file", fix=f"write {scheme}:{text}")
    if not text:
        raise UsageError("no model is named", fix="give --model, for example smollm2-135m")
    if found is not None:
        raise UnknownName("kind of model", found[1], schemes(catalogue))
    provider, slash, model = text.partition("/")
    if slash and provider in providers_of(catalogue):
        raise UsageError(f"model {text!r} is not known", fix=f"write {provider}:{model}")
    if (owner := next((p for p, name in listed_prices() if name == text), None)) is not None:
        raise UsageError(f"model {text!r} does not say where it is", fix=f"write {owner}:{text}")
    raise UnknownName("model", text, {*known_names(), *catalogue.aliases})
