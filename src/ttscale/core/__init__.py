"""The vocabulary and the machinery: problems, prompts, traces, budgets, contexts. No I/O but that
of small saved files."""

from . import roles as roles
from .aggregator import Aggregator
from .artifact import ARTIFACT, Artifact
from .branches import Branch, Group
from .budget import Budget
from .card import Card
from .clock import TokenLoop, run_in_token_time
from .context import Ask, Context
from .engine import Embeddings, Engine, EngineWrapper, Rewards, Score, Used, UseRequest
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
from .generation import Generation, GenerationRequest, LiveGeneration, StopRule
from .known_generation import KnownGeneration
from .method import Configured, Method
from .observer import Observer, SampleCount
from .outcome import Outcome
from .problem import AnswerRule, Problem
from .prompt import Image, Message, Prompt
from .roles import Role
from .run import Journal, Run, execute
from .sampling import Sampling
from .saved_file import SavedFile
from .streams import Live, Race
from .thinking import THINK, ThinkingSplitter, ThinkTags
from .trace import Chunk, Finish, FloatArray, Trace
from .usage import TOTALS, PartTally, Price, Tally, Usage
from .vocabulary import (
    AGGREGATION,
    CAPABILITIES,
    COST_UNIT,
    DOMAIN,
    MODALITY,
    SEARCH,
    STIMULATION,
    VERIFICATION,
    VERIFICATION_SOURCE,
    VERIFICATION_USE,
    Vocabulary,
)
from .votes import Ballot, Tie, Votes

__all__ = [
    "AGGREGATION",
    "ARTIFACT",
    "CAPABILITIES",
    "COST_UNIT",
    "DOMAIN",
    "MODALITY",
    "SEARCH",
    "STIMULATION",
    "THINK",
    "TOTALS",
    "VERIFICATION",
    "VERIFICATION_SOURCE",
    "VERIFICATION_USE",
    "Aggregator",
    "AnswerRule",
    "Artifact",
    "Ask",
    "AuthError",
    "Ballot",
    "Branch",
    "Budget",
    "BudgetEnded",
    "BudgetTooSmall",
    "CapabilityError",
    "Card",
    "Chunk",
    "Configured",
    "Context",
    "ContextOverflow",
    "Embeddings",
    "Engine",
    "EngineError",
    "EngineWrapper",
    "Finish",
    "FloatArray",
    "Generation",
    "GenerationRequest",
    "GivenUp",
    "Group",
    "Image",
    "Journal",
    "KnownGeneration",
    "Live",
    "LiveGeneration",
    "Message",
    "Method",
    "ModelNotFound",
    "Observer",
    "Outcome",
    "PartTally",
    "PoolExhausted",
    "Price",
    "Problem",
    "Prompt",
    "Race",
    "RateLimited",
    "RecordError",
    "Rewards",
    "Role",
    "Run",
    "SampleCount",
    "Sampling",
    "SavedFile",
    "Score",
    "Stalled",
    "StopRule",
    "StoreError",
    "TTScaleError",
    "Tally",
    "ThinkTags",
    "ThinkingSplitter",
    "Tie",
    "TokenLoop",
    "Trace",
    "UnknownName",
    "Unreachable",
    "Usage",
    "UsageError",
    "UseRequest",
    "Used",
    "Vocabulary",
    "Votes",
    "execute",
    "run_in_token_time",
]
