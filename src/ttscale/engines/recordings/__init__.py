"""Recorded samples: reading files of them, and serving them in token time."""
