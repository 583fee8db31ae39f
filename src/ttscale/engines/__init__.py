"""Where tokens come from, one file per kind of engine."""
