"""The one file of a bench: results, traces and what they were asked."""
