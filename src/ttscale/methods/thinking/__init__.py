"""Methods that steer the thinking of a single sample."""
