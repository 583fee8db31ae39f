"""What more compute buys: accuracy over tokens."""
