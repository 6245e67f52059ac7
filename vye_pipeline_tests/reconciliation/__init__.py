"""The tests of reconciliation."""
