"""How often the answer is right, and how sure that is."""
