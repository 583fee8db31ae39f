"""Thinking that goes on after the answer is there: making it, and measuring it."""
