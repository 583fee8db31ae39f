"""Methods that build on earlier solutions: revise, compare, merge."""
