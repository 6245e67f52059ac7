"""What became of each record: sent against acknowledged, one status each."""
