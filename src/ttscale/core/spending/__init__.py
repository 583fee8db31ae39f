"""What may be spent and what was: budgets, usage, and the meter between them."""
