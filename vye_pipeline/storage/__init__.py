"""Where bytes are kept: object stores and encrypted snapshots.

Knows nothing of what they hold.
"""
