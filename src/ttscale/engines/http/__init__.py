"""What every client of a model server needs: replicas, retries, streams, keys."""
