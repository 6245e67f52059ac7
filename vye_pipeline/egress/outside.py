"""A file as it leaves outside the object store: encrypted for its receiver, with a cover sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

import pyrage
from jinja2 import Template

from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.rows import FileRow
from vye_pipeline.records import Kind

SEALED, SHEET = ".age", ".cover-sheet.txt"
TEMPLATE = "cover_sheet.txt.jinja"
COMMENT, SSH = "#", "ssh-"

Key: TypeAlias = Any  # a Recipient of pyrage.x25519 or pyrage.ssh, which have no types


@dataclass(frozen=True)
class Written:
    """What was written for a hand-over.

    Attributes:
        file: the day's file, as it is announced.
        path: where it is.
        cover_sheet: where the sheet is that goes with it.
        is_sealed: whether it is encrypted.
    """

    file: FileRow
    path: Path
    cover_sheet: Path
    is_sealed: bool


def receivers_keys(path: Path) -> list[Key]:
    """Reads a receiver's public keys: age's or SSH's, one a line, comments after `#`.

    Raises:
        UsageError: the file can't be read, a line is no public key, or there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{path} can't be read") from None
    keys = [
        _key(path, number, line.strip())
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith(COMMENT)
    ]
    if not keys:
        raise UsageError(f"{path} holds no public key")
    return keys


def write_files(
    file: FileRow, kind: Kind, content: bytes, folder: Path, keys: Sequence[Key]
) -> Written:
    """Writes a file and its cover sheet, each whole or not at all.

    Args:
        file: as it is announced.
        kind: of its records.
        content: of the file. Personal.
        folder: where to; made if need be, for this user alone.
        keys: the receiver's; none: it is written in the clear.

    Raises:
        UsageError: the folder can't be written.
    """
    outside = pyrage.encrypt(content, list(keys)) if keys else content
    name = file.file_name + (SEALED if keys else "")
    written = Written(file, folder / name, folder / (file.file_name + SHEET), bool(keys))
    sheet = _cover_sheet(written, kind.title, outside)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(written.path, outside)
        _write(written.cover_sheet, sheet.encode())
    except OSError as error:
        raise UsageError(f"{folder} can't be written: {error.strerror}") from None
    return written


def _key(path: Path, number: int, line: str) -> Key:
    kind = pyrage.ssh if line.startswith(SSH) else pyrage.x25519
    try:
        return kind.Recipient.from_str(line)
    except pyrage.RecipientError:
        raise UsageError(f"{path}, line {number}: no public key of age or SSH") from None


def _cover_sheet(written: Written, title: str, outside: bytes) -> str:
    """Returns the cover sheet, which holds nothing personal.

    The digest of an encrypted file gives nothing of it away; that of a short clear one would.
    """
    text = files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    return Template(text, keep_trailing_newline=True).render(
        file=written.file,
        title=title,
        written=written.path.name,
        digest=sha256(outside).hexdigest() if written.is_sealed else None,
    )


def _write(path: Path, content: bytes) -> None:
    begun = path.with_name(f".{path.name}.begun")
    begun.write_bytes(content)
    begun.chmod(0o600)
    begun.replace(path)
