"""Requests as they come and replies as they go, in the formats of OpenAI's APIs."""
