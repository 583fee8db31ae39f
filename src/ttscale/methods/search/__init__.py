"""Methods that expand, score and select."""
