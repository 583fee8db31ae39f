"""Language models that rate solutions from 1 to 10: each by itself, or two at a time, in tournaments."""
