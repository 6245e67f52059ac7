"""What became of each record: sent against acknowledged, one status each, and who needs a person."""
