"""Whether what is personal can be opened: the doctor on KMS, identities and VYE's feature flag."""

from __future__ import annotations

from sqlalchemy import select

from vye_pipeline.cli.health import Finding, Health
from vye_pipeline.context import Context
from vye_pipeline.retries import retried
from vye_pipeline.vye_database.data_keys import DataKeys, WrappedKey
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID
from vye_pipeline.vye_database.opening import identity_source
from vye_pipeline.vye_database.personal import KEY_COLUMN, PERSONAL, PROFILES, USER_INFOS
from vye_pipeline.vye_database.processing_flag import SWITCH_ON, SWITCHED_OFF, is_switched_off


def examine_column_key(context: Context) -> Finding:
    """Has KMS open the newest row's data key of each table with encrypted columns."""
    subject, key_id = "column key", context.settings.column_kms_key_id
    if key_id == INSECURE_KEY_ID:
        return Finding(
            subject,
            Health.BAD,
            "DATA KEYS ARE NOT ENCRYPTED: insecure-test-key is for development only, and whoever "
            "reads VYE's database can read everything",
            "set VYE_COLUMN_KMS_KEY_ID to a key of KMS, and never use this one with real data",
        )
    if not context.vye_shape.is_encrypted:
        words = "not needed: personal columns are in the clear, as production's never are"
        return Finding(subject, Health.GOOD, words)
    wrapped = [_newest_key(context, table) for table in PERSONAL]
    keys = DataKeys(key_id, allow_cleartext=context.settings.allow_cleartext)
    opened = keys.open([key for key in wrapped if key])
    closed = [key.model for key, data_key in opened.items() if data_key is None]
    if closed:
        return Finding(
            subject,
            Health.BAD,
            f"KMS doesn't open the newest row's data key of {', '.join(closed)}",
            "check VYE_COLUMN_KMS_KEY_ID and AWS_REGION: do key and database belong together?",
        )
    if key_id is None:
        return Finding(
            subject,
            Health.WARNING,
            "KMS opens data keys, under whatever key",
            "set VYE_COLUMN_KMS_KEY_ID, so that no other key is accepted",
        )
    return Finding(subject, Health.GOOD, f"KMS opens the newest data keys ({len(opened)} tables)")


@retried
def _newest_key(context: Context, table: str) -> WrappedKey | None:
    stored = context.vye_shape.tables[table]
    query = (
        select(stored.c.id, stored.c[KEY_COLUMN])
        .where(stored.c[KEY_COLUMN].is_not(None))
        .order_by(stored.c.id.desc())
        .limit(1)
    )
    with context.vye.errors(), context.vye_engine.connect() as connection:
        row = connection.execute(query).first()
    return None if row is None else WrappedKey(PERSONAL[table].model, row[0], row[1])


def examine_identities(context: Context) -> Finding:
    """Asks the identity source for one veteran's SSN, and forgets it."""
    source = identity_source(context.vye_shape, context.settings)
    if source is None:
        words = "an SSN comes from mpi_identities in VYE's database, which production hasn't got"
        return Finding("identities", Health.GOOD, words)
    icn = _some_icn(context)
    answers = source.ask([icn] if icn else [])
    if icn and not answers[icn].ssn:
        return Finding(
            "identities",
            Health.WARNING,
            "the source answers, but knows no SSN of the newest veteran",
            "look at a dry run: how many does it know?",
        )
    return Finding("identities", Health.GOOD, "the source answers")


@retried
def _some_icn(context: Context) -> str | None:
    """Returns the ICN of somebody in the newest user_info."""
    infos, profiles = (context.vye_shape.tables[name] for name in (USER_INFOS, PROFILES))
    query = (
        select(profiles.c.icn)
        .join(infos, infos.c.user_profile_id == profiles.c.id)
        .where(profiles.c.icn.is_not(None))
        .order_by(infos.c.id.desc())
        .limit(1)
    )
    with context.vye.errors(), context.vye_engine.connect() as connection:
        return connection.scalar(query)


def examine_processing(context: Context) -> Finding:
    """Looks at the flag that switches VYE's BDN processing off."""
    if is_switched_off(context.vye, context.vye_engine):
        return Finding("BDN processing", Health.WARNING, SWITCHED_OFF, SWITCH_ON)
    return Finding("BDN processing", Health.GOOD, "VYE imports and activates clones")
