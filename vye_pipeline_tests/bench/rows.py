"""A finished day's rows, as the pipeline's stages have taken and given them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from vye_pipeline.bdn.acknowledgement import Acknowledgement, parse_acknowledgement
from vye_pipeline.bdn.file_names import acknowledgement_key, file_name, outbound_key
from vye_pipeline.context import Context
from vye_pipeline.egress.membership import unattached_since
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.records.checking import check
from vye_pipeline.settings import Settings
from vye_pipeline.vye_database.export_ready import read_candidates
from vye_pipeline_tests.bench.pipeline import DAY


@dataclass
class Rows:
    """What DAY has had on its way out and back; read again where it is asked for."""

    settings: Settings

    @cached_property
    def pipeline(self) -> Context:
        """The databases and stores."""
        return Context(self.settings)

    def read(self, kind: Kind) -> pd.DataFrame:
        """Reads a kind's records as the egress does."""
        clones = self.pipeline.ledger.clones(DAY, kind)
        pipeline = self.pipeline
        since = unattached_since(self.settings, DAY)
        return read_candidates(
            pipeline.vye, pipeline.vye_engine, kind, clones, pipeline.vye_shape, since
        )

    @cached_property
    def records(self) -> dict[Kind, pd.DataFrame]:
        """The checked records, in the order of the lines."""
        return {kind: check(kind, self.read(kind)).records for kind in KINDS}

    @cached_property
    def sent(self) -> dict[Kind, bytes]:
        """The files."""
        return {kind: self.pipeline.objects.get(outbound_key(kind, DAY)) for kind in KINDS}

    @cached_property
    def answers(self) -> dict[Kind, list[bytes]]:
        """BDN's acknowledgements as they came."""
        return {
            kind: [
                self.pipeline.objects.get(key)
                for sequence in (1, 2)
                if self.pipeline.objects.find(key := acknowledgement_key(kind, DAY, sequence))
            ]
            for kind in KINDS
        }

    @cached_property
    def kept(self) -> dict[str, bytes]:
        """The snapshots of the records, by name."""
        files = (self.pipeline.ledger.file(DAY, kind) for kind in KINDS)
        names = [file.snapshot_name for file in files if file]
        return {name: self.pipeline.snapshots.get(name) for name in names}

    def acknowledgements(self, kind: Kind) -> list[Acknowledgement]:
        """Reads a kind's acknowledgements as the reconciliation does."""
        name = file_name(kind, DAY)
        return [
            parse_acknowledgement(content, file_name=name, place=f"{name}.ack.{number}")
            for number, content in enumerate(self.answers[kind], start=1)
        ]

    def shuffled(self, kind: Kind) -> list[Acknowledgement]:
        """Returns the acknowledgements with their details in no order."""
        return [
            replace(one, details=one.details.sample(frac=1, random_state=0, ignore_index=True))
            for one in self.acknowledgements(kind)
        ]
