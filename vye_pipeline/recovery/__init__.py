"""Taking up in the ledger what it has forgotten, from the object store and the snapshots."""
