"""The answer rules, one file each."""
