"""Settings, printed, show no key and no URL."""

from __future__ import annotations

import pytest

from vye_pipeline.settings import Settings, load_settings

SECRETS = {
    name: f"scheme://user:hidden-{name}@host"
    for name, field in Settings.model_fields.items()
    if "Secret" in str(field.annotation)
}


def test_every_key_and_url_is_a_secret() -> None:
    texts = {
        name for name, field in Settings.model_fields.items() if "Path" not in str(field.annotation)
    }
    secret = {name for name in texts if name.endswith(("_key", "_token", "_url"))}
    assert secret - {"dagster_url"} <= set(SECRETS)


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(f"VYE_{name.upper()}", value)
    read = load_settings()
    for settings in (read, read.model_copy(update={"database_url": SECRETS["ledger_url"]})):
        shown = f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"
        assert "hidden" not in shown
    assert read.ledger_database_url == SECRETS["ledger_url"]
