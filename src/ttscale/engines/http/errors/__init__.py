"""What goes wrong on the way to a server: how refusals are written, and what a failure means."""
