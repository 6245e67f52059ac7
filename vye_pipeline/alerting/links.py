"""Addresses of the Dagster UI's pages, for alerts and metadata."""

from __future__ import annotations

from datetime import date

from vye_pipeline.settings import Settings


def run_link(settings: Settings, run_id: str) -> str:
    """Returns the address of a run."""
    return f"{settings.dagster_url.rstrip('/')}/runs/{run_id}"


def worklist_link(settings: Settings, partition_date: date) -> str:
    """Returns the address of who needs a person on a day."""
    return _asset(settings, "manual_reconciliation", partition_date)


def affected_link(settings: Settings, kind: str, partition_date: date) -> str:
    """Returns the address of what became of a kind's records of a day."""
    return _asset(settings, f"{kind}/reconciliation", partition_date)


def _asset(settings: Settings, key: str, partition_date: date) -> str:
    base = settings.dagster_url.rstrip("/")
    return f"{base}/assets/{key}?view=partitions&partition={partition_date}"
