"""What a pipeline's questions take, and what its stores hold, at the end of a year."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

from sqlalchemy import func, select

from vye_pipeline.context import Context
from vye_pipeline.ledger.models import CLAIMS, DELIVERIES
from vye_pipeline.ledger.open_work import open_items
from vye_pipeline_tests.integration.questions import questions

MEGABYTE = 1_000_000
TIMES = 3


@contextmanager
def measured(taken: list[float]) -> Iterator[None]:
    """Adds the seconds of what is done meanwhile."""
    began = perf_counter()
    yield
    taken.append(perf_counter() - began)


@dataclass(frozen=True)
class Year:
    """A year's last day.

    Attributes:
        year: which.
        days: partitions with a delivery, since the beginning.
        records: claimed since the beginning.
        open_records: that need a person.
        megabytes: by store.
        objects: by store.
        seconds: of a question or a run, medians.
    """

    year: int
    days: int
    records: int
    open_records: int
    megabytes: Mapping[str, float]
    objects: Mapping[str, int]
    seconds: Mapping[str, float]

    @classmethod
    def of(
        cls, pipeline: Context, day: date, now: datetime, took: Mapping[str, Sequence[float]]
    ) -> Year:
        """Measures a pipeline at the end of a day, after which runs took so long."""
        counts = pipeline.ledger.read(
            lambda one: (
                one.scalar(select(func.count(DELIVERIES.c.partition_date.distinct()))) or 0,
                one.scalar(select(func.count()).select_from(CLAIMS)) or 0,
                sum(item.records for item in open_items(one)),
            )
        )
        folder = pipeline.settings.folder
        stores = {
            "ledger": sorted(folder.glob("ledger.db*")),
            "snapshots": files_of(pipeline.settings.snapshots_url),
            "object store": files_of(pipeline.settings.objects_url),
        }
        seconds = {name: median(taken) for name, taken in took.items() if taken}
        for name, ask in questions(pipeline, now).items():
            taken: list[float] = []
            for _ in range(TIMES):
                with measured(taken):
                    ask()
            seconds[name] = median(taken)
        return cls(
            day.year,
            *counts,
            {
                name: sum(path.stat().st_size for path in paths) / MEGABYTE
                for name, paths in stores.items()
            },
            {name: len(paths) for name, paths in stores.items()},
            seconds,
        )


def files_of(url: str) -> list[Path]:
    """Returns all files of a store that is a folder."""
    return [path for path in Path(url.removeprefix("file://")).rglob("*") if path.is_file()]
