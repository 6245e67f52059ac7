"""The ledger's revisions, oldest first; only forward."""
