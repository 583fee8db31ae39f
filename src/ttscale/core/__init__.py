"""The vocabulary and the machinery: problems, prompts, traces, budgets, contexts. No I/O but that
of small saved files."""

from .aggregator import Aggregator
from .artifact import ARTIFACT, Artifact
from .cards import roles as roles
from .cards.card import Card
from .cards.method import Configured, Method
from .cards.roles import Role
from .cards.vocabulary import (
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
from .execution.blocking import ThreadedExecution, execute, opened
from .execution.branches import Branch, Group
from .execution.context import Context, SampleRequest
from .execution.observer import Observer, SampleCount
from .execution.run import Journal, Run
from .execution.streams import Live, Race
from .execution.trials import Trials
from .extras import install_command
from .generation import Generation, GenerationRequest, LiveGeneration, StopRule
from .known_generation import KnownGeneration
from .outcome import Outcome
from .problem import AnswerRule, Problem
from .prompt import Image, Message, Prompt
from .sampling import Sampling
from .settings.declared import Above, AtLeast, NotEmpty, OneOf, Within, declared
from .settings.saved_file import SavedFile
from .spending.budget import Budget
from .spending.usage import TOTALS, PartTally, Price, Tally, Usage
from .thinking import THINK, ThinkingSplitter, ThinkTags
from .token_time import TokenLoop, run_in_token_time
from .trace import Chunk, Finish, FloatArray, Trace
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
    "Above",
    "Aggregator",
    "AnswerRule",
    "Artifact",
    "AtLeast",
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
    "NotEmpty",
    "Observer",
    "OneOf",
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
    "SampleRequest",
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
    "ThreadedExecution",
    "Tie",
    "TokenLoop",
    "Trace",
    "Trials",
    "UnknownName",
    "Unreachable",
    "Usage",
    "UsageError",
    "UseRequest",
    "Used",
    "Vocabulary",
    "Votes",
    "Within",
    "declared",
    "execute",
    "install_command",
    "opened",
    "run_in_token_time",
]
