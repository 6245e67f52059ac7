"""The tests of records."""
