"""Notation: from the text of a formula to its tree."""
