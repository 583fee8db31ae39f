"""Defaults are the published ones: a run without settings is what the paper or its code runs.

Where neither names a value it is ours, and as much a promise: results are compared across releases.
"""

from __future__ import annotations

from dataclasses import fields

import pytest

from ttscale.methods import registry
from ttscale.metrics.cost import information_capacity
from ttscale.metrics.curves.arise_sampling import Rule
from ttscale.signals import confidence

# what a paper or its released code names
PUBLISHED = {
    "ffs": {"n": 8, "k": 1, "mode": "async", "valid_only": True, "tie": "shortest"},  # arXiv:2505.18149
    "lfs": {"n": 8},  # arXiv:2512.02008
    "adaptive-consistency": {"rule": "beta", "max_samples": 40, "batch": 1},  # arXiv:2305.11860
    "esc": {"window": 5, "max_samples": 40, "control": False},  # arXiv:2401.10480, GSM8K
    "deepconf": {"measure": "tail", "keep": 10, "window": 2048, "tail": 2048, "weighted": True},
    "deepconf-online": {
        "survivors": 10,
        "warm_up": 16,
        "consensus": 0.95,
        "batch": 1,
        "window": 2048,
        "weighted": True,
    },  # arXiv:2508.15260
    "pets": {"warm_up": 1, "per_round": 1, "max_samples": 64, "max_options": 16, "keep": 70, "soft": False},
    "pets-online": {"max_samples": 64},  # arXiv:2602.16745
    "atts": {
        "chains": 16,
        "turns": 15,
        "draft_tokens": 500,
        "target_tokens": 500,
        "alpha": 0.6,
        "temperature": 0.8,
        "calibration": 16,
    },  # arXiv:2509.15148
    "beam-search": {"n": 4, "width": 4, "iterations": 40, "temperature": 0.8, "separator": "\n\n"},
    "budget-forcing": {"n_ignore": 0, "wait": "Wait", "temperature": 0, "answer_tokens": 1000},
    "turns": {"turns": 4, "chains": 1, "carry": "answer"},  # arXiv:2503.19855
    "three-d": {"carry": "reflection", "negative": True},  # arXiv:2511.15738
    "plan-and-budget": {"temperature": 0.1, "top_p": 0.9, "solving": "single"},  # arXiv:2505.16122
    "scale-selective": {
        "threshold": 0.5,
        "decompositions": 8,
        "rating": "steps",
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 20,
    },  # arXiv:2512.00466
    "explore-execute": {
        "strategy": "loop",
        "groups": 3,
        "refinements": 3,
        "depth": 5,
        "plan_tokens": 512,
        "step_tokens": 256,
        "select_tokens": 512,
        "refine_tokens": 1024,
        "rescue_tokens": 512,
        "temperature": 0.9,
        "top_p": 0.95,
        "least_before": 300,
        "most_after": 500,
    },  # arXiv:2509.23946
    "parathinker": {"paths": 4, "finish": "first", "temperature": 0.5, "top_p": 1.0},  # arXiv:2509.04475
    "trimr": {"agreements": 2, "consensus": True, "budget_share": 0.5},  # arXiv:2505.17155
    "thoughtmani": {"temperature": 0.7, "top_p": 0.95, "mark": "<STOP>"},  # arXiv:2504.13626
    "v1": {"n": 16, "budget": 3.0, "schedule": "swiss"},  # arXiv:2603.04304
    "sticker": {"rounds": 3},  # arXiv:2509.05007
    "chain-of-draft": {"words": 5},  # arXiv:2502.18600
    "self-refine": {"rounds": 4},  # arXiv:2303.17651
    "deer": {"threshold": 0.95, "turn": "Wait", "trials": 10, "trial_tokens": 20},  # arXiv:2504.15895
    "dynasor": {"agreeing": 3, "every": 64, "probe_tokens": 20, "temperature": 0.6, "top_p": 0.95},
    # arXiv:2412.20993
}


# what they leave open
OURS = {
    "self-consistency": {"n": 8, "tie": "first"},
    "best-of-n": {"n": 8, "verifier": "prm", "weighted": False, "tie": "first"},
    "lfs": {"k": 4, "tie": "shortest"},
    "adaptive-consistency": {"threshold": None, "concentration": 1.0, "tie": "first"},
    "esc": {"max_risk": 0.01, "windows": (3, 4, 5, 6, 8, 10), "limits": (10, 20, 40), "tie": "first"},
    "deepconf": {"n": 32, "tie": "first"},
    "deepconf-online": {"variant": "low", "keep": None, "max_samples": 64, "tie": "first"},
    "pets": {"average": 16, "options": None, "weight": "none", "window": 2048, "tie": "first"},
    "pets-online": {"table": ""},
    "atts": {"bank": "", "joiner": "\n\n"},
    "auto": {"policy": "", "budget": None},
    "beam-search": {"verifier": "prm", "select": "weighted", "unique": False, "lookahead": 0},
    "budget-forcing": {
        "max_thinking": None,
        "opening": "<think>\n",
        "end": "</think>",
        "cue": "Final Answer:",
    },
    "turns": {"select": "vote", "max_tokens": None, "reflection_tokens": None, "thinking": False},
    "three-d": {
        "context": None,
        "batch": 4,
        "turns": 2,
        "aggregator": "vote",
        "select": "all",
        "judgements": 2,
        "judge_at_once": 8,
        "stop_agreed": False,
        "reflection_tokens": None,
        "thinking": False,
    },
    "plan-and-budget": {
        "form": "weighted",
        "schedule": "polynomial",
        "difficulty": "predicted",
        "scale": 1.0,
        "max_tokens": None,
    },
    "scale-selective": {"prepare": True, "switch": "template", "max_tokens": None},
    "explore-execute": {"plans": 8, "execution_tokens": None, "rescue": True},
    "sticker": {
        "chains": 1,
        "aggregate": "last",
        "agree": False,
        "sticker_tokens": 512,
        "max_tokens": None,
        "thinking": False,
    },
    "parathinker": {"max_tokens": None, "summary_tokens": None},
    "v1": {"order": "random", "opponents": 2, "window": 8, "floor": 0.1, "judge_tokens": None},
    "trimr": {
        "max_tokens": None,
        "thoughts": 20,
        "sentences": 3,
        "send_every": 50,
        "window": 64,
        "times": 3,
        "shortest": 5,
        "markers": "auto",
        "verdict_tokens": 1,
        "opening": "<think>\n",
        "temperature": None,
    },
    "thoughtmani": {
        "thought": "key-points",
        "gate": "strict",
        "thought_tokens": 512,
        "max_tokens": None,
        "opening": "<think>\n",
        "closing": "\n</think>\n\n",
    },
    "stop-scaling": {
        "kappa": 2.0,
        "token": None,
        "end": "</think>",
        "opening": "<think>\n",
        "max_thinking": None,
        "answer_tokens": None,
        "temperature": None,
    },
    "deer": {"mean": "arithmetic", "max_thinking": None, "opening": "<think>\n", "temperature": 0.0},
    "dynasor": {
        "doubt": ("wait", "hold", "but", "okay", "no", "hmm"),
        "max_tokens": None,
        "opening": "<think>\n",
    },
    "re2": {"n": 1},
    "self-refine": {"feedback_tokens": None},
}
WORDS = {"prompts": "auto", "templates": {}}  # of every method that has prompts of its own
TWINS = {"atts-marginal": "atts", "dvts": "beam-search"}  # differ in their procedure alone


@pytest.mark.parametrize("name", registry.methods())
def test_a_run_without_settings_is_the_published_one(name):
    cfg, twin = registry.get(name).configure({}), TWINS.get(name, name)
    wanted = {**PUBLISHED.get(twin, {}), **OURS.get(twin, {})}
    if "templates" in {field.name for field in fields(cfg)}:
        wanted |= WORDS
    # what follows from settings, such as the percentage of a variant, is asked for beside them
    settings = {field.name for field in fields(cfg)} | wanted.keys()
    assert {setting: getattr(cfg, setting) for setting in settings} == wanted


def test_measures_have_their_published_constants():
    assert (confidence.TOP, confidence.WINDOW, confidence.TAIL) == (20, 2048, 2048)
    assert (information_capacity.LENGTH, information_capacity.BIAS) == (1024, -24)
    assert (Rule().m_min, Rule().m_max, Rule().tau, Rule().accuracy) == (3, 10, 0.5, "cv")
