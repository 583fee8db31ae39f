"""Methods that build on what was drawn before."""
