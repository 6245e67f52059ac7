"""How the steps of a run are executed, whatever started it: in its own process unless set."""

from __future__ import annotations

from importlib import import_module

import dagster as dg

from vye_pipeline.errors import UsageError
from vye_pipeline.settings import Settings


def load_executor(settings: Settings) -> dg.ExecutorDefinition:
    """Returns the executor that VYE_EXECUTOR names.

    Raises:
        UsageError: it names none.
    """
    module, _, name = settings.executor.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        found = None
    if not isinstance(found, dg.ExecutorDefinition):
        raise UsageError(
            f"VYE_EXECUTOR names no Dagster executor that is installed: {module}:{name}"
        )
    return found
