"""The words that cards may use, each with its meaning: known terms, to which other families add theirs.

The terms are those of the survey arXiv:2503.24235 and what efficiency work needs besides. A package
that brings a new one says so before its cards are made:

    SEARCH.add("evolutionary", "variants of the best are made and compete")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import UnknownName, UsageError


class Vocabulary(Mapping[str, str]):
    """Term -> its meaning in one line, in the order in which they became known."""

    def __init__(self, name: str, terms: Mapping[str, str]) -> None:
        self.name, self._terms = name, dict(terms)

    def __getitem__(self, term: str) -> str:
        return self._terms[term]

    def __iter__(self) -> Iterator[str]:
        return iter(self._terms)

    def __len__(self) -> int:
        return len(self._terms)

    def add(self, term: str, meaning: str) -> None:
        """Make a term known. Adding it again with the same meaning changes nothing.

        Raises:
            UsageError: if it is known with another meaning, or has none.
        """
        if not meaning:
            raise UsageError(f"{self.name} {term!r} has no meaning", fix="say it in one line")
        known = self._terms.setdefault(term, meaning)
        if known != meaning:
            raise UsageError(
                f"{self.name} {term!r} means {known!r}, not {meaning!r}", fix="choose another term"
            )

    def check(self, term: str, where: str) -> None:
        """Raise UnknownName, with the nearest term, unless `term` is known."""
        if term not in self._terms:
            raise UnknownName(self.name, term, self._terms, where)


STIMULATION = Vocabulary(
    "stimulation",
    {
        "prompt": "the model is asked in other words, or again",
        "decode": "tokens are chosen, or thinking ended, in another way",
        "latent": "thinking goes on in hidden states",
        "self-repetition": "one model is asked several times",
        "mixture": "several models take part",
    },
)
VERIFICATION = Vocabulary(
    "verification",
    {
        "outcome": "finished solutions are judged",
        "process": "beginnings of solutions, or their steps, are judged",
        "agreement": "solutions are judged by the others that answer alike",
        "confidence": "solutions are judged by the probabilities of their own tokens",
        "length": "solutions are judged by how long they are",
    },
)
VERIFICATION_SOURCE = Vocabulary(
    "verification source",
    {
        "reward-model": "a model trained to score",
        "value-model": "a model trained to say what a beginning will come to",
        "judge": "a language model that is asked for its opinion",
        "self-evaluation": "the model that solves, asked about its own work",
        "likelihood": "the probability another model gives to the text",
        "rule": "a check that is written down: a format, a heuristic, a calculation",
        "tests": "unit tests that are run",
        "tools": "what a tool, a proof checker or an environment says",
        "several": "verifiers of more than one kind",
        "gold": "the right answer, which only an oracle may see",
    },
)
VERIFICATION_USE = Vocabulary(
    "verification use",
    {
        "select": "to choose among solutions",
        "stop": "to stop, or to take another way, while solutions are made",
        "search": "to decide which beginnings are followed",
        "weight": "to weigh solutions where they are put together",
    },
)
SEARCH = Vocabulary(
    "search",
    {
        "tree": "beginnings branch, and some branches are followed",
        "graph": "beginnings branch and join",
        "beam": "a fixed number of beginnings is followed side by side",
        "look-ahead": "a beginning is judged by what follows it",
        "mcts": "branches are tried in proportion to what was found in them",
        "reward-balanced": "branches are followed in proportion to their reward",
        "particle": "beginnings are weighed and drawn anew",
    },
)
AGGREGATION = Vocabulary(
    "aggregation",
    {
        "vote": "the answer most solutions give",
        "weighted-vote": "the answer with the largest weight",
        "best-of-n": "the solution with the best score",
        "first": "the solution that is finished first",
        "last": "the solution that is finished last",
        "selection": "a solution that a rule or a model chooses",
        "fusion": "a new answer made of several solutions",
    },
)
DOMAIN = Vocabulary(
    "domain",
    {
        "general": "any question whose answers can be compared",
        "math": "calculations and proofs",
        "code": "programs",
        "science": "questions of a science",
        "game": "games and their strategies",
        "medical": "diagnosis and treatment",
        "agents": "acting in an environment",
        "knowledge": "questions about facts",
        "open-ended": "texts without one right answer",
        "evaluation": "judging the work of others",
    },
)
MODALITY = Vocabulary(
    "modality",
    {
        "text": "reads and writes text",
        "image": "reads or makes images",
        "video": "reads or makes videos",
        "audio": "reads or makes sound",
        "action": "acts in an environment",
    },
)
COST_UNIT = Vocabulary(
    "cost unit",
    {
        "tokens": "generated tokens",
        "samples": "generations that were asked for",
        "network evaluations": "forward passes of a network, as in denoising",
        "renders": "images or views that were made",
        "tool calls": "calls of tools or environments",
    },
)
CAPABILITIES = Vocabulary(
    "capability",
    {
        "text": "plain sampling",
        "logprobs": "log-probabilities of generated tokens, with alternatives",
        "prefix": "continues a reply whose beginning is given",
        "score": "log-probabilities of a given text",
        "reward": "a verifier's score of a (partial) solution",
        "embed": "sentence embeddings",
        "images": "reads images",
        "tools": "calls tools",
        "hidden": "hidden states",
        "use": "a metered resource other than a language model",
    },
)
"""What a method may need of an engine."""
