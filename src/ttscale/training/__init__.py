"""Training recipes (extra `train`)."""
