"""ttscale: efficient test-time scaling."""

__version__ = "0.1.0"
