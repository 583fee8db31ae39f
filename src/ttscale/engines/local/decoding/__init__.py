"""Decoding a batch of sequences with torch, one token of each a step."""
