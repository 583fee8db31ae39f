"""What an answer costs: money, operations, energy."""
