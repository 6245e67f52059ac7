"""Whether Dagster, Slack and Datadog's agent are there: the doctor's second half."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime

from vye_pipeline.alerting.notifier import open_notifier
from vye_pipeline.cli.doctor import examined
from vye_pipeline.cli.health import Finding, Health
from vye_pipeline.errors import UsageError
from vye_pipeline.orchestration.instance import dagster_storage, open_instance
from vye_pipeline.settings import Settings

ALIVE_SECONDS = 300


def examine_surroundings(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Looks at Dagster's instance and daemon, Slack and Datadog's agent.

    Args:
        settings: what to look at.
        now: with zone.
    """
    yield examined("Dagster", lambda: _dagster(settings, now))
    yield examined("Slack", lambda: _slack(settings))
    yield examined("Datadog", lambda: _datadog(settings))


def _dagster(settings: Settings, now: datetime) -> Finding:
    with dagster_storage(), open_instance(settings) as instance:
        beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
    if beats and now.timestamp() - max(beats) < ALIVE_SECONDS:
        return Finding("Dagster", Health.GOOD, "its daemon is alive: schedules and sensors run")
    return Finding(
        "Dagster",
        Health.WARNING,
        "its daemon is not running: nothing happens by itself",
        "start it: make dev, or the service vye-daemon (docs/deployment.md)",
    )


def _slack(settings: Settings) -> Finding:
    if settings.slack_token is None:
        words = "alerts are off"
        return Finding("Slack", Health.WARNING, words, "set VYE_SLACK_TOKEN to be told of failures")
    open_notifier(settings).check()
    return Finding("Slack", Health.GOOD, f"alerts go to {settings.slack_channel}")


def _datadog(settings: Settings) -> Finding:
    if settings.statsd_host is None:
        return Finding("Datadog", Health.GOOD, "metrics are off")
    try:
        socket.getaddrinfo(settings.statsd_host, settings.statsd_port)
    except OSError:
        raise UsageError("VYE_STATSD_HOST can't be found") from None
    return Finding("Datadog", Health.GOOD, "metrics go to the agent; it gives no answer")
