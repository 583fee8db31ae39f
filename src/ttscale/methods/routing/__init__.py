"""Methods that look at the question, or at what it costs, and choose among the others."""
