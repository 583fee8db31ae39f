"""The vocabulary and the machinery: problems, prompts, traces, budgets, contexts. No I/O."""

from .branches import Branch, Group
from .budget import Budget
from .card import CAPABILITIES, Card
from .clock import TokenLoop, run_in_token_time
from .context import Ask, Context
from .engine import (
    Call,
    Embeddings,
    Engine,
    Flight,
    Rewards,
    Score,
    StopRule,
    Used,
)
from .errors import (
    AuthError,
    BudgetEnded,
    BudgetTooSmall,
    CapabilityError,
    ContextOverflow,
    EngineError,
    GivenUp,
    ModelNotFound,
    PoolExhausted,
    RateLimited,
    RecordError,
    Stalled,
    StoreError,
    TTScaleError,
    UnknownName,
    Unreachable,
    UsageError,
)
from .method import Configured, Method
from .outcome import Outcome
from .problem import AnswerRule, Problem
from .prompt import Image, Message, Prompt
from .run import Journal, Run, execute
from .sampling import Sampling
from .streams import Live, Race
from .trace import Chunk, Finish, FloatArray, Trace
from .usage import PLANNER_ROLES, TOTALS, VERIFIER_ROLES, Price, Tally, Usage
from .votes import Ballot, Tie, Votes

__all__ = [
    "CAPABILITIES",
    "PLANNER_ROLES",
    "TOTALS",
    "VERIFIER_ROLES",
    "AnswerRule",
    "Ask",
    "AuthError",
    "Ballot",
    "Branch",
    "Budget",
    "BudgetEnded",
    "BudgetTooSmall",
    "Call",
    "CapabilityError",
    "Card",
    "Chunk",
    "Configured",
    "Context",
    "ContextOverflow",
    "Embeddings",
    "Engine",
    "EngineError",
    "Finish",
    "Flight",
    "FloatArray",
    "GivenUp",
    "Group",
    "Image",
    "Journal",
    "Live",
    "Message",
    "Method",
    "ModelNotFound",
    "Outcome",
    "PoolExhausted",
    "Price",
    "Problem",
    "Prompt",
    "Race",
    "RateLimited",
    "RecordError",
    "Rewards",
    "Run",
    "Sampling",
    "Score",
    "Stalled",
    "StopRule",
    "StoreError",
    "TTScaleError",
    "Tally",
    "Tie",
    "TokenLoop",
    "Trace",
    "UnknownName",
    "Unreachable",
    "Usage",
    "UsageError",
    "Used",
    "Votes",
    "execute",
    "run_in_token_time",
]
