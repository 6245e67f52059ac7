"""What can go wrong, classified once, where it arises (architecture.md, rule 8).

Messages name partition, kind, place and the next step. They never contain a value of a record.
"""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Which part of the system a failed egress has to be looked for in (command-line.md)."""

    UPLOAD = "upload"
    SOURCE = "source"
    STORAGE = "storage"
    LEDGER = "ledger"
    DEFECT = "defect"


def failure_sentence(cause: Cause, what: str) -> str:
    """Returns what happened, so that nobody looks for a defect in S3."""
    return f"this is a defect in the pipeline, not S3: {what}" if cause == Cause.DEFECT else what


class UsageError(Exception):
    """A command, setting or file given by a person that can't be used: exit code 2, one line."""


class PipelineError(Exception):
    """A classified failure of a step: exit code 1, one line, nothing half-done.

    Attributes:
        cause: where to look.
        is_transient: whether the same step may succeed when it is simply run again.
        next_step: what a person does about it.
    """

    def __init__(self, what: str, *, cause: Cause, is_transient: bool, next_step: str) -> None:
        super().__init__(what)
        self.what = what
        self.cause = cause
        self.is_transient = is_transient
        self.next_step = next_step

    def __str__(self) -> str:
        """Returns what happened and what to do next."""
        return f"{self.what}. Next: {self.next_step}"


class Postponed(PipelineError):
    """A step that ends without failing its day: it isn't its time, or isn't needed."""


class HeldElsewhereError(Postponed):
    """Another process holds a kind and is silent: this one has waited, and nothing has failed."""

    def __init__(self, kind: str, holder: str, silent_seconds: int) -> None:
        """Takes what is held, who holds it since when, and for how long nothing was heard of it."""
        super().__init__(
            f"{kind} are held by {holder}, which has given no sign of life for {silent_seconds} s",
            cause=Cause.DEFECT,
            is_transient=True,
            next_step="look at that machine; once its process is gone, run this again",
        )


def postponed(what: str, *, next_step: str) -> Postponed:
    """Returns why a day is not read or put now, though nothing is wrong."""
    return Postponed(what, cause=Cause.SOURCE, is_transient=False, next_step=next_step)


def source_error(what: str, *, is_transient: bool, next_step: str) -> PipelineError:
    """Returns a failure of what VYE's side provides: its database, import or activation."""
    return PipelineError(what, cause=Cause.SOURCE, is_transient=is_transient, next_step=next_step)


def upload_error(what: str, *, is_transient: bool, next_step: str) -> PipelineError:
    """Returns a failure of the object store or of what lies in it."""
    return PipelineError(what, cause=Cause.UPLOAD, is_transient=is_transient, next_step=next_step)


def storage_error(what: str, *, is_transient: bool, next_step: str) -> PipelineError:
    """Returns a failure of the snapshots."""
    return PipelineError(what, cause=Cause.STORAGE, is_transient=is_transient, next_step=next_step)


def ledger_error(what: str, *, next_step: str) -> PipelineError:
    """Returns the failure of a ledger that doesn't know what has been done."""
    return PipelineError(what, cause=Cause.LEDGER, is_transient=False, next_step=next_step)


def defect(what: str, *, next_step: str, is_transient: bool = False) -> PipelineError:
    """Returns a failure of the pipeline itself."""
    return PipelineError(what, cause=Cause.DEFECT, is_transient=is_transient, next_step=next_step)
