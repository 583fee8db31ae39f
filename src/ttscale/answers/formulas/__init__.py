"""Formulas: from the text of an answer to a reading that can be compared."""
