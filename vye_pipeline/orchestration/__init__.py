"""Dagster's edge: the only package that imports dagster, beside definitions.py."""
