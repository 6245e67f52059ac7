"""The assets: five a kind, and one over all kinds. Each body calls one plain function."""
