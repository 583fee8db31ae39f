"""A question is split into steps, and each step gets its share of the effort."""
