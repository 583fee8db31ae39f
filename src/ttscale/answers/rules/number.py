"""Answers that are numbers, and the stricter case of integers with few digits."""
from __future__ import annotations
from ..rule import KeyedRule
class NumberRule(KeyedRule):
    name = "number"
    def find(self, text): return None
    def read(self, written): return None
    def key(self, answer): return answer
class IntegerRule(NumberRule):
    name = "integer"
    def __init__(self, max_digits=3): pass
