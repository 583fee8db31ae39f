"""Answering a request with a method."""
