"""A method of one's own, tried where the truth is known."""

# %% A method is an async function of a problem and a context: it samples, decides and returns.
from ttscale.answers import TextRule
from ttscale.core import Budget, Card, Context, Outcome, Problem, Prompt, Run, Votes, declared, execute
from ttscale.engines import Synthetic
from ttscale.engines.synthetic import binary
from ttscale.methods.registry import method

CARD = Card(
    name="lead",
    title="Until one answer leads",
    what="parallel",
    knob="most",
    draws="most",
    stops="an answer leads by as many votes as asked for",
)


@declared
class Config:
    """lead: votes the first answer must be ahead of the second. most: samples at most."""

    lead: int = 2
    most: int = 16


@method(card=CARD)
async def lead(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Sample one at a time until one answer is `lead` votes ahead."""
    votes = Votes(problem)
    for _ in range(cfg.most):
        votes.add(await ctx.sample(problem.prompt))
        counts = sorted((ballot.count for ballot in votes.ballots), reverse=True)
        if counts and counts[0] - sum(counts[1:2]) >= cfg.lead:
            break
        ctx.offer(votes.top(), votes.winner())
    return Outcome(votes.top(), votes.winner(), stopped_by="lead")


# %% A world that is right seven times in ten: two votes ahead are right with .7^2 / (.7^2 + .3^2) = 0.845.
question = Problem("q", Prompt.user("?"), TextRule(), reference="right")
right = samples = 0
for seed in range(400):
    run = Run({"main": Synthetic(binary(p=0.7))}, seed=seed)
    outcome = execute(run, lambda run=run: run.answer(lead(), question, budget=Budget(tokens=20_000)))
    right += outcome.answer == "right"
    samples += outcome.usage.samples
print(f"right {right / 400:.3f}, {samples / 400:.2f} samples a question")
