"""Which method and how much of it for which question: learned from recorded samples."""

from ..methods.routing.difficulty import Difficulty, quantile_bins
from ..methods.routing.policy import Level, Policy
from .compute_optimal import best_strategy, fit_bins, fit_mean, match, two_fold
from .evidence import Evidence, from_results, replayed
from .exchange import inference_factor
from .fitting import fit_policy
from .saturation import saturation_point

__all__ = [
    "Difficulty",
    "Evidence",
    "Level",
    "Policy",
    "best_strategy",
    "fit_bins",
    "fit_mean",
    "fit_policy",
    "from_results",
    "inference_factor",
    "match",
    "quantile_bins",
    "replayed",
    "saturation_point",
    "two_fold",
]
