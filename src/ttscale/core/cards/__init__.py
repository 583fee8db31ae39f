"""What a method says of itself: its card, the words on it, and the roles it needs."""
