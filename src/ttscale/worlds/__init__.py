"""Small worlds with exact truth, in which methods and models can be examined."""
