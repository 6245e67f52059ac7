"""An acknowledgement's text, and what is wrong with it: named by its line and cause.

A fault never says what the line holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vye_pipeline.errors import Cause, PipelineError

REMEDY = "ask BDN for a corrected one; the object stays where it is and nothing of it is recorded"


class MalformedAcknowledgement(PipelineError):
    """An acknowledgement that can't be read, refused whole.

    Attributes:
        place: its object key.
        line: of the acknowledgement, from 1.
        fault: what is wrong with it.
    """

    def __init__(self, place: str, line: int, fault: str) -> None:
        """Takes place, line and fault."""
        super().__init__(
            f"{place}, line {line}: {fault}",
            cause=Cause.SOURCE,
            is_transient=False,
            next_step=REMEDY,
        )
        self.place, self.line, self.fault = place, line, fault


@dataclass(frozen=True)
class AcknowledgementText:
    """An acknowledgement's text, with lines ended by LF alone.

    Attributes:
        content: in ASCII.
        place: the object's key, for errors.
    """

    content: bytes
    place: str

    def __post_init__(self) -> None:
        """Refuses a byte that is not ASCII."""
        if not self.content.isascii():
            codes = np.frombuffer(self.content, dtype=np.uint8)
            raise self.malformed(int(np.argmax(codes > 0x7F)), "holds a byte that is not ASCII")

    @property
    def second_line(self) -> int:
        """Where it begins."""
        return self.content.find(b"\n") + 1

    def line(self, at: int) -> str:
        """Returns the line that begins there, without its end."""
        end = self.content.find(b"\n", at)
        return self.content[at : end if end >= 0 else None].decode("ascii")

    def malformed(self, at: int, fault: str) -> MalformedAcknowledgement:
        """Returns the error about the line that a character belongs to."""
        return MalformedAcknowledgement(self.place, self.content.count(b"\n", 0, at) + 1, fault)
