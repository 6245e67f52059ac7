"""Settings as the variables of a command's environment."""

from __future__ import annotations

from pydantic import SecretStr

from vye_pipeline.settings import Settings


def variables(settings: Settings) -> dict[str, str]:
    """Returns the variables by which a process of its own has these settings."""
    given = settings.model_dump(exclude_defaults=True)
    return {
        f"VYE_{name.upper()}": value.get_secret_value()
        if isinstance(value, SecretStr)
        else str(value)
        for name, value in given.items()
    }
