"""Where the built-in methods are: asking for one loads its module and no other.

A test compares this table with the cards. A method that is missing here is found all the same, once
every module has been loaded.
"""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[str, tuple[str, ...]] = {
    "baselines.simple": ("simple", "single", "greedy"),
    "routing.atts": ("atts", "atts-marginal"),
    "search.beam_search": ("beam-search", "beam", "dvts"),
    "refinement.three_d": ("three-d", "3d"),
    "voting.adaptive_consistency": ("adaptive-consistency", "adaptive", "ac"),
    "search.best_of_n": ("best-of-n", "bon"),
    "search.v1": ("v1", "v1-infer", "pairwise"),
    "voting.deepconf": ("deepconf", "deepconf-online"),
    "voting.esc": ("esc",),
    "voting.first_finish": ("ffs", "first-finish", "lfs", "last-finish"),
    "allocation.pets": ("pets",),
    "allocation.pets_online": ("pets-online",),
    "voting.self_consistency": ("self-consistency", "sc", "vote", "majority"),
    "routing.auto": ("auto",),
    "thinking.budget_forcing": ("budget-forcing", "s1"),
    "decomposition.plan_and_budget": ("plan-and-budget",),
    "decomposition.scale_selective": ("scale-selective", "scale"),
    "decomposition.explore_execute": ("explore-execute", "e2c"),
    "thinking.trimr": ("trimr",),
    "thinking.deer": ("deer",),
    "thinking.dynasor": ("dynasor", "certaindex"),
    "thinking.stop_scaling": ("stop-scaling", "ts"),
    "thinking.thoughtmani": ("thoughtmani", "thought-manipulation"),
    "refinement.parathinker": ("parathinker",),
    "refinement.self_refine": ("self-refine",),
    "thinking.chain_of_draft": ("chain-of-draft",),
    "thinking.re_reading": ("re2", "re-reading"),
    "refinement.turns": ("turns", "self-refinement", "multi-round-thinking"),
    "refinement.sticker": ("sticker", "sticker-tts"),
}
"""Module within `ttscale.methods` -> names and other names of its methods."""

MODULES: Mapping[str, str] = {
    name: f"{__package__}.{module}" for module, names in NAMES.items() for name in names
}
"""Name or other name of a method -> its module."""
