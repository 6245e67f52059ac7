"""Tests over real protocols: PostgreSQL, S3, Dagster runs."""
