"""Text as columns: bytes and parallel parts. Knows nothing of records, databases or files."""
