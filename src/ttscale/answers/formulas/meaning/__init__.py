"""Meaning: from the tree of a formula to a reading that can be compared."""
