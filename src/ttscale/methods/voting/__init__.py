"""Independent samples that vote, and rules for stopping early."""
