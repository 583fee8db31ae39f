"""One word for one thing: names and messages keep to the project's vocabulary.

| word | meaning | not |
|---|---|---|
| sample; `index` | one generation a method requests; its ordinal | draw, ask, course |
| generation | a sample under way in an engine; it starts and finishes | flight, land |
| generation request; request body | what an engine gets; what a server gets | call, letter |
| trace; chunk | what came back; a piece of it | reply, piece |
| thinking; answer text; answer | inside the tags; after them; what the rule extracts | thought, said |
| sequential tokens | the longest dependent chain | cursor |
| cell; result | method x model x task x repeat; an answered problem in it | item |
| request, choice, upstream | what a client sent the gateway, one of n, a model behind it | visit, solved |
| observer | is told of starts, chunks and ends | watch, listener |
"""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "ttscale"
RETIRED = frozenset(
    re.findall(
        r"\w+",
        """aboard anybody ask asked asking asks course courses cursor door draw drawn draws ears everybody
        flight flights fly land landed landing lands letter letters listener listeners mouth nobody patrol
        said solved somebody takeoff tapped tell telling tells told visit watch whoever wire""",
    )
)
ALLOWED = {
    # the words of formats that outlive a release, and of the world outside
    "core/cards/": {"draws"},  # a field of the card's JSON
    "methods/": {"draws"},
    "bench/plan.py": {"draws"},
    "gateway/": {"draws"},
    "answers/": {"letter", "letters", "cursor"},  # of multiple choice; in a text
    "bench/tasks/": {"letters"},
    "cli/commands/solve.py": {"letter", "letters"},
    "planner/": {"draws"},
    "arguments.py": {"letter", "letters"},
    "engines/recordings/": {"letters"},
}
PROSE = re.compile(
    r"(?<!there )(?<!There )\b(?:is|are) no "
    r"(?!longer|more|less|worse|better|such|need|concern|other|further|room)\w"
    r"|\b(?:[Nn]obody|[Ss]omebody|[Ww]hoever|[Aa]nybody|[Ee]verybody)\b"
    r"|(?<!in )\b[Ff]lights?\b|\b[Ll]and(?:s|ed|ings?)\b"
)


def words(identifier: str) -> list[str]:
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)]


def allowed(path: str) -> set[str]:
    return {word for where, some in ALLOWED.items() if path.startswith(where) for word in some}


def modules() -> list[str]:
    return sorted(str(p.relative_to(SRC)) for p in SRC.rglob("*.py"))


@pytest.mark.parametrize("path", modules())
def test_words(path):
    text = (SRC / path).read_text(encoding="utf-8")
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            strange = RETIRED.intersection(words(token.string)) - allowed(path)
            found += [f"{token.start[0]}: {token.string}"] if strange else []
        elif token.type in (tokenize.STRING, tokenize.COMMENT):
            prose = " ".join(re.sub(r"\s*\n\s*(#\s*)?", " ", token.string).split())
            found += [f"{token.start[0]}: {m[0]}" for m in PROSE.finditer(prose)]
    assert not found


@pytest.mark.parametrize(
    "text", ["{x!r} is no table", "these are no words", "Whoever asks", "a flight lands", "nobody waits"]
)
def test_what_is_held_would_be_found(text):
    assert PROSE.search(text)


@pytest.mark.parametrize("text", ["there is no file", "questions in flight", "is no longer used", "England"])
def test_plain_english_passes(text):
    assert not PROSE.search(text)
