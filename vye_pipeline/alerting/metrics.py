"""Gauges for Datadog: nothing by default, DogStatsD over UDP with a host."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from vye_pipeline.settings import Settings

RECORDS = "vye.records"
OPEN_ALARMS = "vye.open_alarms"


class Metrics:
    """Sends nothing: metrics are off."""

    def gauge(self, name: str, value: float, **tags: str) -> None:
        """Sends what a number is now."""

    def statuses(self, partition_date: date, kind: str, counts: Mapping[str, int]) -> None:
        """Sends how many records of a partition have which status."""
        for status, count in counts.items():
            self.gauge(
                RECORDS, count, partition_date=partition_date.isoformat(), kind=kind, status=status
            )


class StatsdMetrics(Metrics):
    """Sends gauges to Datadog's agent; UDP: nobody waits for it, and its absence harms nothing."""

    def __init__(self, host: str, port: int) -> None:
        """Takes the agent's address."""
        from datadog.dogstatsd.base import DogStatsd

        self._client = DogStatsd(
            host=host, port=port, disable_telemetry=True, disable_buffering=True
        )

    def gauge(self, name: str, value: float, **tags: str) -> None:
        """See Metrics."""
        self._client.gauge(name, value, tags=[f"{key}:{tag}" for key, tag in sorted(tags.items())])


def open_metrics(settings: Settings) -> Metrics:
    """Returns what the settings ask for."""
    if settings.statsd_host is None:
        return Metrics()
    return StatsdMetrics(settings.statsd_host, settings.statsd_port)
