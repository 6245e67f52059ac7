"""What is personal in records that were read, opened: the one place where it is.

Only what may be sent is opened: the newest of a user_info's submissions. The others keep nothing
personal. Data keys and answers are kept in memory, for one run of a day: a user_info that several
kinds need is opened once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import pandas as pd
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, select

from vye_pipeline.errors import UsageError, source_error
from vye_pipeline.records import Kind
from vye_pipeline.records.checking import FINDING_TYPES, no_findings
from vye_pipeline.retries import retried
from vye_pipeline.settings import Settings
from vye_pipeline.sql.engines import Database
from vye_pipeline.vye_database.column_cipher import Fault, UnreadableError, open_value
from vye_pipeline.vye_database.data_keys import DataKeys, WrappedKey
from vye_pipeline.vye_database.identities import (
    AMBIGUOUS,
    SAMPLE_SIZE,
    Identities,
    Identity,
    IdentitySource,
    SsnDigest,
    check_digests,
)
from vye_pipeline.vye_database.identity_table import IdentityTable
from vye_pipeline.vye_database.mpi import open_mpi
from vye_pipeline.vye_database.personal import (
    IDENTITIES,
    KEY_COLUMN,
    KEY_LABELS,
    PERSONAL,
    PROFILES,
    USER_INFOS,
    Shape,
    sealed_columns,
)

ROW_COLUMNS = {
    "record": ("record_id", KEY_LABELS["record"]),
    "user_info": ("user_info_id", KEY_LABELS["user_info"]),
}
LEAST_TO_JUDGE = 3
UNOPENED = (*(fault.value for fault in Fault), AMBIGUOUS)  # codes that keep a value unknown


@dataclass(frozen=True)
class Opened:
    """Records whose personal columns are plain text.

    Attributes:
        records: the same rows; what isn't newest has empty personal columns.
        findings: record_id, field, code, is_quarantining: what can't be read, and what the
            identity source says.
    """

    records: pd.DataFrame
    findings: pd.DataFrame


class PersonalData:
    """Opens what is personal, for one run of a day at a time."""

    def __init__(
        self, database: Database, engine: Engine, shape: Shape, settings: Settings
    ) -> None:
        """Takes VYE's database, a read-only engine of it, its shape, and the settings."""
        self._database, self._engine = database, engine
        self._shape, self._settings = shape, settings
        self._keys = DataKeys(settings.column_kms_key_id, allow_cleartext=settings.allow_cleartext)
        self._day: date | None = None
        self._kinds: set[str] = set()

    @property
    def requests(self) -> dict[str, int]:
        """How many data keys and identities this run has asked for."""
        asked = self._identities.asked if self._identities else 0
        return {"kms_calls": self._keys.calls, "identities_asked_for": asked}

    @cached_property
    def _identities(self) -> Identities | None:
        """Where identities come from; None where the read joins them from VYE's database."""
        source = identity_source(self._shape, self._settings)
        return None if source is None else Identities(source)

    def open(self, partition_date: date, kind: Kind, records: pd.DataFrame) -> Opened:
        """Opens the newest records of a kind.

        Args:
            partition_date: of the run. Another day, or a kind that comes again, is another run.
            kind: of the records.
            records: as read, with is_newest and is_vanished; a vanished one is plain already.

        Raises:
            PipelineError: source: KMS or the identity source can't be asked, or no record can be
                read.
        """
        self._begin(partition_date, kind)
        wanted = records[records["is_newest"] & ~records["is_vanished"]]
        findings = []
        if self._shape.is_encrypted:
            records, unreadable = self._decrypted(kind, records, wanted)
            findings.append(unreadable)
            _refuse_if_all(unreadable, wanted)
        if self._identities is not None:
            records, said = self._identified(records, wanted, self._identities)
            findings.append(said)
        return Opened(records, pd.concat([no_findings(), *findings], ignore_index=True))

    def open_table(self, table: str, rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
        """Opens some columns of a table's rows; what can't be read is empty.

        Args:
            table: of the rows.
            rows: record_id, encrypted_kms_key and the columns, as `stored_text` gives them.
            columns: which to open.

        Raises:
            PipelineError: source: KMS can't be asked.
        """
        if not self._shape.is_encrypted or rows.empty:
            return rows
        stored = _rows(PERSONAL[table].model, rows, ("record_id", KEY_COLUMN), columns)
        keys = self._keys.open({key for key, _ in stored if key})
        opened = [_row(keys[key], values)[0] if key else values for key, values in stored]
        return rows.assign(
            **{
                column: pd.Series([row[column] for row in opened], rows.index, dtype="str")
                for column in columns
            }
        )

    def _begin(self, partition_date: date, kind: Kind) -> None:
        if partition_date != self._day or kind.name in self._kinds:
            self._keys.forget()
            if self._identities is not None:
                self._identities.forget()
            self._kinds.clear()
        self._day = partition_date
        self._kinds.add(kind.name)

    def _decrypted(
        self, kind: Kind, records: pd.DataFrame, wanted: pd.DataFrame
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        tables = {"user_info": USER_INFOS, "record": kind.table}
        sealed = {owner: sealed_columns(kind, owner) for owner in tables}
        rows = {
            owner: _rows(PERSONAL[tables[owner]].model, wanted, ROW_COLUMNS[owner], columns)
            for owner, columns in sealed.items()
            if columns
        }
        keys = self._keys.open({key for owned in rows.values() for key, _ in owned if key})
        blank = records.index[~records["is_newest"]]
        records, findings = records.copy(), []
        for owner, owned in rows.items():
            opened = [_row(keys[key], values) if key else (values, []) for key, values in owned]
            for column in sealed[owner]:
                texts = pd.Series([row[column] for row, _ in opened], wanted.index, dtype="str")
                records.loc[blank, column] = ""
                records.loc[wanted.index, column] = texts
            findings += [
                (record_id, column, fault.value, True)
                for record_id, (_, faults) in zip(wanted["record_id"], opened, strict=True)
                for column, fault in faults
            ]
        return records, _findings(findings)

    def _identified(
        self, records: pd.DataFrame, wanted: pd.DataFrame, identities: Identities
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        answers = identities.ask(wanted["icn"].unique())
        self._check_sample(answers)
        said = wanted["icn"].map(answers)
        records = records.copy()
        records.loc[~records["is_newest"], "ssn"] = ""
        records.loc[wanted.index, "ssn"] = said.map(lambda answer: answer.ssn).astype("str")
        findings = [
            (record_id, "ssn", code, code == AMBIGUOUS)
            for record_id, answer in zip(wanted["record_id"], said, strict=True)
            for code in ((AMBIGUOUS,) if answer.is_ambiguous else answer.notes)
        ]
        return records, _findings(findings)

    def _check_sample(self, answers: Mapping[str, Identity]) -> None:
        """Holds some answers to the digests that VYE has of the same people."""
        salt = self._settings.ssn_digest_salt
        digest = SsnDigest.from_settings(
            salt.get_secret_value() if salt else None, self._settings.ssn_digest_scrypt
        )
        known = sorted(icn for icn, answer in answers.items() if answer.ssn)
        if digest is None or not known:
            return
        sample = known[:: -(-len(known) // SAMPLE_SIZE)]
        stored = self._digests(sample)
        check_digests(digest, [(kept, answers[icn].ssn) for icn, kept in stored])

    @retried
    def _digests(self, icns: Sequence[str]) -> list[tuple[str, bytes]]:
        profiles = self._shape.tables[PROFILES]
        query = select(profiles.c.icn, profiles.c.ssn_digest).where(
            profiles.c.icn.in_(icns), profiles.c.ssn_digest.is_not(None)
        )
        with self._database.errors(), self._engine.connect() as connection:
            return [(icn, bytes(stored)) for icn, stored in connection.execute(query)]


def identity_source(shape: Shape, settings: Settings) -> IdentitySource | None:
    """Returns where identities come from, None where the read joins them from VYE's database.

    Raises:
        PipelineError: source: no source is set, and VYE's database has no table of them.
        UsageError: a setting can't be used.
    """
    url = settings.identities_url
    if url is None:
        if shape.joins_identities:
            return None
        raise source_error(
            f"VYE's database has no table {IDENTITIES}, as in production: nobody's SSN is known",
            is_transient=False,
            next_step="set VYE_IDENTITY_URL (docs/production.md)",
        )
    if url.startswith("https://"):
        return open_mpi(
            url,
            settings.identity_client_cert,
            settings.identity_client_key,
            settings.identity_processing_code,
        )
    if url.startswith("http://"):
        raise UsageError("VYE_IDENTITY_URL can't be used: MPI is asked over https only")
    return IdentityTable(url, allow_cleartext=settings.allow_cleartext)


Row = Mapping[str, str]


def _rows(
    model: str, records: pd.DataFrame, row_columns: tuple[str, str], columns: Sequence[str]
) -> list[tuple[WrappedKey | None, Row]]:
    """Returns each row's stored values with its key; without one where nothing is encrypted."""
    # As lists: to take Arrow's values one by one takes as long as to decrypt them.
    stored = zip(*(records[column].tolist() for column in columns), strict=True)
    row_ids, keys = (records[column].tolist() for column in row_columns)
    return [
        (
            WrappedKey(model, int(row_id), key) if any(values) else None,
            dict(zip(columns, values, strict=True)),
        )
        for row_id, key, values in zip(row_ids, keys, stored, strict=True)
    ]


def _row(key: bytes | None, values: Row) -> tuple[dict[str, str], list[tuple[str, Fault]]]:
    """Opens a row's values, and says which can't be opened and why."""
    opened, faults = {}, []
    cipher = AESGCM(key) if key else None
    for column, stored in values.items():
        try:
            opened[column] = open_value(cipher, stored) if stored else ""
        except UnreadableError as error:
            opened[column] = ""
            faults.append((column, error.fault))
    return opened, faults


def _refuse_if_all(unreadable: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Fails where no record at all can be read: then it isn't the rows.

    Raises:
        PipelineError: source.
    """
    count = unreadable["record_id"].nunique()
    if len(wanted) >= LEAST_TO_JUDGE and count == len(wanted):
        raise source_error(
            f"none of {count} records can be decrypted "
            f"({', '.join(sorted(unreadable['code'].unique()))})",
            is_transient=False,
            next_step="check VYE_COLUMN_KMS_KEY_ID, AWS_REGION and VYE_DATABASE_URL: do the key "
            "and the database belong together? Then run it again",
        )


def _findings(rows: list[tuple[int, str, str, bool]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(FINDING_TYPES)).astype(FINDING_TYPES)
