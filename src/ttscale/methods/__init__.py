"""Published methods, one file each, and their registry."""

from .registry import get, method, methods, parse

__all__ = ["get", "method", "methods", "parse"]
