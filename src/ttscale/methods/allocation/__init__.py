"""Methods that share one budget among many problems."""
