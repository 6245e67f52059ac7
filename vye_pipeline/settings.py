"""The environment, read once into one typed object (command-line.md, "Settings and commands")."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from vye_pipeline.business_days import BusinessCalendar
from vye_pipeline.errors import UsageError

IN_VYES_DATABASE = "table"
CHECKOUT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Every VYE_* variable. The properties fill in the embedded default of what isn't set.

    Keys and URLs are secrets: printed, they show nothing.
    """

    model_config = SettingsConfigDict(env_prefix="VYE_", env_ignore_empty=True, frozen=True)

    local_dir: Path = Field(
        CHECKOUT / "data" / "local", description="the embedded default's folder"
    )
    database_url: SecretStr | None = Field(None, description="VYE's database, read only")
    database_write_url: SecretStr | None = Field(
        None, description="may update vye_bdn_clones.export_ready"
    )
    ledger_url: SecretStr | None = Field(None, description="the ledger and the analysts' tables")
    object_store_url: SecretStr | None = Field(
        None, description="file:///folder or s3://bucket[/prefix]"
    )
    snapshot_url: SecretStr | None = Field(
        None, description="encrypted snapshots, like the object store"
    )
    snapshot_key: SecretStr | None = Field(
        None, description="keys, or ARNs or aliases of KMS's, comma-separated; the first one writes"
    )
    kms_key_id: str | None = Field(None, description="the KMS key with which S3 encrypts")
    allow_cleartext: bool = Field(
        False, description="databases without verified TLS, S3 over http, on other machines"
    )
    column_kms_key_id: str | None = Field(
        None, description="the KMS key that opens VYE's encrypted columns"
    )
    identity_url: SecretStr | None = Field(
        None, description="where an SSN comes from: table, an SQLAlchemy URL, or https:// of MPI"
    )
    identity_client_cert: Path | None = Field(None, description="shown to MPI, PEM")
    identity_client_key: Path | None = Field(None, description="of that certificate, PEM")
    identity_processing_code: Literal["P", "T", "D"] = Field(
        "P", description="what MPI is told: production, training or development"
    )
    ssn_digest_salt: SecretStr | None = Field(
        None, description="of vye_user_profiles.ssn_digest, hex; identities are checked with it"
    )
    ssn_digest_scrypt: str = Field("16384,8,1,32", description="N,r,p,length of that digest")
    s3_encryption: Literal["AES256", "aws:kms", "none"] | None = Field(
        None, description="AES256, aws:kms or none: what S3 is asked to encrypt with"
    )
    start_date: date = Field(date(2025, 4, 1), description="the first partition")
    end_date: date | None = Field(None, description="the last partition, once BDN is retired")
    closures: str = Field("", description="days without files, and holidays that are worked")
    max_quarantined_share: float = Field(
        0.2, ge=0, le=1, description="of a day's records, caught by one rule; 1: whatever is caught"
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        description="after how many days settled content may go",
    )
    retry_business_days: int = Field(
        10, ge=0, description="how far back failed partitions are tried again each morning"
    )
    hold_alert_days: int = Field(
        7, ge=1, description="after how many days a profile that is still held back is an alert"
    )
    answer_alert_business_days: int = Field(
        1,
        ge=0,
        description="how long before BDN's deadline an answer that is not there is an alert",
    )
    report_url: SecretStr | None = Field(
        None, description="where the analysts' page is put: a folder or s3://bucket/prefix"
    )
    slack_token: SecretStr | None = Field(None, description="alerts; off without it")
    slack_channel: str = Field("#vye-alerts", description="where alerts go")
    statsd_host: str | None = Field(None, description="metrics for Datadog; off without it")
    statsd_port: int = Field(8125, ge=1, le=65535, description="of DogStatsD, UDP")
    executor: str = Field(
        "dagster:in_process_executor",
        pattern=r"^[\w.]+:\w+$",
        description="how a run's steps are executed, as module:name of a Dagster executor",
    )
    dagster_url: str = Field("http://localhost:3000", description="the UI, for links in alerts")

    def model_copy(
        self,
        *,
        update: Mapping[str, Any] | None = None,
        deep: bool = False,  # noqa: ARG002 - nothing in it can change
    ) -> Self:
        """Returns these settings with some others, which are read as the environment's are."""
        return type(self)(**{**dict(self), **(update or {})})

    @field_validator("closures")
    @classmethod
    def _closures_can_be_read(cls, text: str) -> str:
        _calendar(text)
        return text

    @property
    def calendar(self) -> BusinessCalendar:
        """Which days are business days."""
        return _calendar(self.closures)

    @property
    def folder(self) -> Path:
        """The embedded default's folder, absolute."""
        return self.local_dir.expanduser().absolute()

    @property
    def vye_database_url(self) -> str:
        """SQLAlchemy URL of VYE's database."""
        return _plain(self.database_url) or f"sqlite:///{self.folder / 'vye.db'}"

    @property
    def vye_database_write_url(self) -> str | None:
        """SQLAlchemy URL that may update the clone's flag, None where there is none."""
        if self.database_write_url is not None:
            return _plain(self.database_write_url)
        return self.vye_database_url if self.vye_database_url.startswith("sqlite") else None

    @property
    def identities_url(self) -> str | None:
        """Where an SSN comes from; None for a table of VYE's database."""
        url = _plain(self.identity_url)
        return None if url == IN_VYES_DATABASE else url

    @property
    def ledger_database_url(self) -> str:
        """SQLAlchemy URL of the ledger."""
        return _plain(self.ledger_url) or f"sqlite:///{self.folder / 'ledger.db'}"

    @property
    def objects_url(self) -> str:
        """Where the files exchanged with BDN lie."""
        return _plain(self.object_store_url) or f"file://{self.folder / 'objects'}"

    @property
    def server_side_encryption(self) -> dict[str, str]:
        """What S3 is asked to encrypt with, as arguments of a put."""
        way = self.s3_encryption or ("aws:kms" if self.kms_key_id else "AES256")
        if self.kms_key_id and way != "aws:kms":
            raise UsageError("VYE_KMS_KEY_ID needs VYE_S3_ENCRYPTION to be aws:kms, or unset")
        key = {"SSEKMSKeyId": self.kms_key_id} if self.kms_key_id else {}
        return {} if way == "none" else {"ServerSideEncryption": way, **key}

    @property
    def snapshots_url(self) -> str:
        """Where the encrypted snapshots lie."""
        return _plain(self.snapshot_url) or f"file://{self.folder / 'snapshots'}"

    @property
    def report_store_url(self) -> str:
        """Where the analysts' page is put."""
        place = _plain(self.report_url) or str(self.folder)
        return place if "://" in place else f"file://{Path(place).expanduser().absolute()}"

    @property
    def snapshot_key_file(self) -> Path:
        """Where the key lies that is made on first use."""
        return self.folder / "snapshot.key"


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


_calendar = lru_cache(BusinessCalendar.parse)


def load_settings(**overrides: Any) -> Settings:
    """Reads the environment.

    Args:
        **overrides: values that win over the environment, for tests and the demo.

    Raises:
        UsageError: a variable has a value that can't be used; names the variable, not the value.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "VYE_" + str(first["loc"][0]).upper()
        raise UsageError(f"{name} can't be used: {first['msg']}") from None
