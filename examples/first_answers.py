"""One question, several methods: what each spends for its answer, on the bundled reasoner, offline.

Run it as a script, or cell by cell in an editor that knows `# %%`.
"""

# %% A question, a method, a budget. The rule says how answers are compared.
import ttscale

question = (
    "Kai has 47 pens. Kai finds 35 pens. Mia has 17 stones. Kai gets 7 more pens. "
    "How many pens does Kai have now?"
)
outcome = ttscale.solve(question, method="sc(n=8)", answer="number", reference="89", tokens=2000, seed=1)
print(outcome)

# %% What came back: the answer, whether it is right, every token, and all samples.
print(outcome.answer, outcome.correct, outcome.usage.completion_tokens, outcome.stopped_by)
for trace in outcome.traces[:2]:
    print(trace.finish, trace.tokens, trace.answer_text.strip())

# %% The same question with methods that stop early.
for method in ("simple", "ffs(n=8, k=4)", "adaptive-consistency(max_samples=8)"):
    print(method, ttscale.solve(question, method=method, answer="number", reference="89", seed=1))
