"""What the checks say: passed or not, why, and which user profiles to look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

import dagster as dg

from vye_pipeline.context import Context
from vye_pipeline.errors import PipelineError
from vye_pipeline.ledger.rows import Orphan, orphans_in_words
from vye_pipeline.orchestration import metadata
from vye_pipeline.records import KINDS, Kind, kind_named
from vye_pipeline.records.statuses import OF_A_LINE, UNSETTLED, Status
from vye_pipeline.reporting.fault_rate import Faults, is_usual, usual_rate

if TYPE_CHECKING:
    import pandas as pd

    from vye_pipeline.egress.preview import Preview
    from vye_pipeline.egress.redeliver import Verified
    from vye_pipeline.reporting.usual import Usual

INTACT, ACCEPTED, HELD_BACK, SETTLED, USUAL, ATTENDED, CLAIMED, ORPHANS, FLAG, EXPECTED = (
    "objects_are_as_sent",
    "bdn_accepted_every_line",
    "few_records_are_held_back",
    "settled_by_its_deadline",
    "rejection_rate_is_usual",
    "nobody_waits_too_long",
    "every_record_has_a_partition",
    "no_orphaned_acknowledgement",
    "vye_gets_its_flag_back",
    "as_many_lines_as_usual",
)
DAYS_COMPARED = 20
LEAST_DAYS = 3  # of a weekday, before its counts say what is usual
FEW = 3  # records of a kind that our own rules may hold back on any day
FEW_SHARE = 0.1  # or this share of them
PATIENCE_BUSINESS_DAYS = 5
# What BDN did to a line beyond rejecting it with a reason, which is its good right.
BDN_ERRED = (Status.MISMATCHED, Status.MISSING, Status.CONFLICTING, Status.UNEXPECTED)
NOT_ACCEPTED = (Status.REJECTED, *BDN_ERRED)
MEANINGS = {
    "every_record_has_one_place": "No record is claimed twice or not at all.",
    "every_line_is_a_record": "The file has as many lines as there are records to send.",
    "object_is_what_was_sent": "The bytes that lie in the object store are those that were put; "
    "none do of a file that was handed over.",
    "acknowledgements_are_well_formed": "Each can be read; line and cause of a fault are named.",
    "bdn_received_every_line": "BDN counted as many lines as were sent.",
    INTACT: "No file or redelivery is missing or altered in the object store.",
    "every_record_has_one_status": "The statuses add up to the records.",
    ACCEPTED: "BDN took each line that it has answered as it was sent. A warning where it rejected "
    "lines with a reason, an error where it misread, lost, contradicted or invented any.",
    HELD_BACK: "The pipeline's own rules quarantined no more than 3 records of a kind, or a tenth.",
    SETTLED: "Three business days after the cut-off nothing is undelivered or pending.",
    USUAL: "BDN rejected no more than chance explains, compared with its last 20 answers.",
    "every_line_is_readable": "No line of the feed had to be passed over.",
    ATTENDED: "No user profile of the worklist has waited for more than five business days.",
    CLAIMED: "No record of the day's clones is unclaimed.",
    ORPHANS: "Each acknowledgement answers to a file that was sent.",
    EXPECTED: "No kind has less than half the lines of the smallest, or more than twice those of "
    "the largest, of the last files of the same weekday.",
    FLAG: "The pipeline may write the flag without which VYE can't activate its next clone.",
}


def spec(
    name: str, asset: list[str], partitions: dg.PartitionsDefinition, *, blocking: bool = False
) -> dg.AssetCheckSpec:
    """Returns the declaration of a check, a result a partition.

    Args:
        name: of the check, one of MEANINGS.
        asset: the key of what is checked.
        partitions: of the asset.
        blocking: whether the run's later steps are left out when it fails.
    """
    return dg.AssetCheckSpec(
        name,
        asset=asset,
        description=MEANINGS[name],
        partitions_def=partitions,
        blocking=blocking,
    )


def intact(verified: list[Verified]) -> dg.AssetCheckResult:
    """Says whether what was sent lies in the object store as it was sent."""
    wrong = [one.in_words() for one in verified if not one.state.is_right]
    return dg.AssetCheckResult(
        check_name=INTACT,
        passed=not wrong,
        description="\n".join(wrong) or None,
        metadata={"objects": len(verified)},
    )


def accepted(rows: pd.DataFrame) -> dg.AssetCheckResult:
    """Says whether BDN took what it was sent, whatever was held back before.

    Args:
        rows: user_profile_id, record_id, status: a row per record or unexpected line.
    """
    refused = rows[rows["status"].isin([str(status) for status in NOT_ACCEPTED])]
    counts = {str(one): int((refused["status"] == str(one)).sum()) for one in NOT_ACCEPTED}
    has_erred = any(counts[str(status)] for status in BDN_ERRED)
    listed = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return dg.AssetCheckResult(
        check_name=ACCEPTED,
        passed=refused.empty,
        severity=dg.AssetCheckSeverity.ERROR if has_erred else dg.AssetCheckSeverity.WARN,
        description=f"{refused['user_profile_id'].nunique()} user profiles are affected: {listed}"
        if listed
        else None,
        metadata={
            **metadata.counts(counts),
            "affected_user_profiles": metadata.profiles(refused),
        },
    )


def held_back(rows: pd.DataFrame) -> dg.AssetCheckResult:
    """Says whether the pipeline's own rules held back no more records than on any day.

    Args:
        rows: user_profile_id, record_id, status: a row per record or unexpected line.
    """
    quarantined = rows[rows["status"] == str(Status.QUARANTINED)]
    passed = len(quarantined) <= max(FEW, FEW_SHARE * len(rows))
    return dg.AssetCheckResult(
        check_name=HELD_BACK,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=None
        if passed
        else f"{len(quarantined)} of {len(rows)} records break a rule and are not sent: look for a "
        "fault of the source before they are corrected one by one",
        metadata={
            "quarantined": len(quarantined),
            "records": len(rows),
            "quarantined_user_profiles": metadata.profiles(quarantined),
        },
    )


def attended(partition_date: date, worklist: pd.DataFrame) -> dg.AssetCheckResult:
    """Says whether people keep up with the worklist of a day.

    Args:
        partition_date: of the records.
        worklist: WORKLIST (ledger/columns.py).
    """
    waiting = worklist[worklist["waited_business_days"] > PATIENCE_BUSINESS_DAYS]
    return dg.AssetCheckResult(
        check_name=ATTENDED,
        passed=waiting.empty,
        severity=dg.AssetCheckSeverity.WARN,
        description=None
        if waiting.empty
        else f"{len(waiting)} user profiles have waited for more than {PATIENCE_BUSINESS_DAYS} "
        f"business days: vye affected --date {partition_date}",
        metadata={"user_profiles": len(worklist), "waiting_too_long": len(waiting)},
    )


def settled(due_at: datetime, rows: pd.DataFrame, now: datetime) -> dg.AssetCheckResult:
    """Says whether nothing is pending or undelivered any more once the deadline has passed.

    Args:
        due_at: the deadline, with zone.
        rows: user_profile_id, record_id, status: a row per record.
        now: with zone.
    """
    open_rows = rows[rows["status"].isin([str(status) for status in UNSETTLED])]
    is_late = now > due_at and not open_rows.empty
    return dg.AssetCheckResult(
        check_name=SETTLED,
        passed=not is_late,
        description=f"{len(open_rows)} records of {open_rows['user_profile_id'].nunique()} user "
        f"profiles are open since {due_at:%Y-%m-%d %H:%M %Z}: vye backfill --failed sends what was "
        "not delivered"
        if is_late
        else None,
        metadata={
            "due_at": dg.MetadataValue.timestamp(due_at),
            "open_records": len(open_rows),
            "open_user_profiles": metadata.profiles(open_rows if is_late else open_rows.head(0)),
        },
    )


def rejection_rate(
    pipeline: Context, partition_date: date, kind: Kind, rows: pd.DataFrame
) -> dg.AssetCheckResult:
    """Says whether BDN rejected about as much as of the last files that it answered.

    Args:
        pipeline: the ledger.
        partition_date: of the records.
        kind: of the records.
        rows: user_profile_id, record_id, status: a row per record.
    """
    from vye_pipeline.reporting.fault_history import rejections

    lines = rows[rows["status"].isin([str(status) for status in OF_A_LINE])]
    rejected = lines[lines["status"] == str(Status.REJECTED)]
    earlier = pipeline.ledger.read(
        lambda connection: rejections(connection, kind.name, partition_date, DAYS_COMPARED)
    )
    usual = usual_rate(earlier)
    is_answered = not lines["status"].isin([str(status) for status in UNSETTLED]).all()
    passed = not is_answered or is_usual(Faults(len(rejected), len(lines)), usual)
    return dg.AssetCheckResult(
        check_name=USUAL,
        passed=passed,
        description=None
        if passed
        else f"BDN rejected {len(rejected)} of {len(lines)} lines, usually {usual or 0:.1%}: "
        "ask BDN what has changed before veterans are called",
        metadata={
            "rejected": len(rejected),
            "lines": len(lines),
            "rejected_share": len(rejected) / len(lines) if len(lines) else 0.0,
            **({} if usual is None else {"usual_share": usual}),
            "rejected_user_profiles": metadata.profiles(rejected),
        },
    )


def every_record_claimed(pipeline: Context, partition_date: date) -> dg.AssetCheckResult:
    """Says whether each record of the clones that a day owns belongs to some partition."""
    import pandas as pd

    try:
        frames = [_unclaimed(pipeline, partition_date, kind) for kind in KINDS]
    except PipelineError as error:
        return dg.AssetCheckResult(
            check_name=CLAIMED,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"can't be told: {error}",
        )
    orphans = pd.concat(frames, ignore_index=True)
    return dg.AssetCheckResult(
        check_name=CLAIMED,
        passed=orphans.empty,
        description=None
        if orphans.empty
        else f"{len(orphans)} records of {orphans['user_profile_id'].nunique()} user profiles "
        "became visible after their clone was read and belong to no partition yet: the next day "
        "that runs claims them",
        metadata={"records": len(orphans), "user_profiles": metadata.profiles(orphans)},
    )


def expected(pairs: Sequence[tuple[Preview, Usual]]) -> dg.AssetCheckResult:
    """Says whether about as many lines would go out as usually on that weekday.

    Args:
        pairs: what would go out of each kind, and what is usual.
    """
    from vye_pipeline.egress.preview import OPEN

    unusual = [
        f"{kind_named(one.kind).title}: {one.lines} lines would go out, where the last "
        f"{usual.days} files of that weekday had {usual.fewest_lines} to {usual.most_lines}"
        for one, usual in pairs
        if one.delivery == OPEN
        and usual.days >= LEAST_DAYS
        and not usual.fewest_lines / 2 <= one.lines <= 2 * usual.most_lines
    ]
    return dg.AssetCheckResult(
        check_name=EXPECTED,
        passed=not unusual,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(unusual) or None,
    )


def flag_is_writable(pipeline: Context) -> dg.AssetCheckResult:
    """Says whether there is a credential with which a clone is handed back (vye-database.md)."""
    return dg.AssetCheckResult(
        check_name=FLAG,
        passed=pipeline.settings.vye_database_write_url is not None,
        severity=dg.AssetCheckSeverity.WARN,
        description="VYE_DATABASE_WRITE_URL is not set: VYE is refused its next activation until "
        "somebody resets the clone's flag by other means"
        if pipeline.settings.vye_database_write_url is None
        else None,
    )


def no_orphans(orphans: Sequence[Orphan]) -> dg.AssetCheckResult:
    """Says whether each acknowledgement of a day answers to a file that was sent."""
    return dg.AssetCheckResult(
        check_name=ORPHANS,
        passed=not orphans,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(orphans_in_words(orphans)) or None,
        metadata={"orphaned_acknowledgements": len(orphans)},
    )


def _unclaimed(pipeline: Context, partition_date: date, kind: Kind) -> pd.DataFrame:
    from vye_pipeline.egress.unclaimed import Source, unclaimed_records

    owned = pipeline.ledger.owned_clones(kind, partition_date, partition_date)
    read = [clone.bdn_clone_id for clone in owned if clone.is_read]
    return unclaimed_records(Source.of(pipeline), pipeline.ledger, kind, read)
