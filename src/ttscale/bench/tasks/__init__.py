"""Named sets of problems, from files and from generators."""
