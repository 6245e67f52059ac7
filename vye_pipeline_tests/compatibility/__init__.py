"""What the pipeline works with and what it refuses, tried on the real thing."""
