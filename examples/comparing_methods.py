"""Methods on one set of questions, on a model that is opened once, and again on recorded samples."""

# %% Questions that the bundled reasoner was trained to answer.
import asyncio

import ttscale


async def compare() -> ttscale.Comparison:
    async with ttscale.open("tiny") as model:
        outcome = await model.solve("Find the value of 17+7*6.", method="ffs(n=4)", answer="number", seed=1)
        print(outcome)
        return await model.bench("simple", "sc(n=4)", task="lab:arith?level=2", n=6, seed=1)


found = asyncio.run(compare())
print(found)

# %% A row has what a report shows, and more.
row = found["sc(n=4)"]
print(row.accuracy, row.accuracy_ci, row.completion_tokens_mean, row.difference)


# %% Recorded samples take no time, and give the same figures every time.
async def replay() -> ttscale.Comparison:
    async with ttscale.open("replay:examples/pool/lab-word.db") as recording:
        return await recording.bench("sc(n=8)", "ffs(n=8)", "ffs(n=8, k=4)", n=30)


print(asyncio.run(replay()))
