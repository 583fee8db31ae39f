"""A run at work: the context of a method, its samples, streams and branches."""
