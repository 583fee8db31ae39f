"""Who may send how much: keys, quotas, and the queue."""
