"""Dagster's own instance: its history, beside the pipeline's data unless DAGSTER_HOME is set.

`python -m vye_pipeline.orchestration.instance` prepares the storage, before two processes of
`dagster dev` do so at once, and prints the DAGSTER_HOME to start them with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from vye_pipeline.errors import PipelineError, UsageError, defect
from vye_pipeline.private_files import checked_folder, make_files_private
from vye_pipeline.settings import CHECKOUT, Settings, load_settings

CONFIGURATION = "dagster.yaml"
DEFAULT_STORAGE = "data/local/dagster"


def dagster_home(settings: Settings) -> Path:
    """Returns the folder of Dagster's instance, with its configuration in it.

    DAGSTER_HOME where it is set; else the checkout's dagster.yaml, with its storage moved to the
    settings' folder.

    Raises:
        UsageError: others may write there.
    """
    configured = os.environ.get("DAGSTER_HOME")
    if configured:
        return Path(configured)
    home = settings.folder / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    template = (CHECKOUT / CONFIGURATION).read_text(encoding="utf-8")
    _write_if_new(
        checked_folder(home) / CONFIGURATION, template.replace(DEFAULT_STORAGE, str(home))
    )
    return home


def _write_if_new(file: Path, content: str) -> None:
    """Replaces a file that differs, whole or not at all: it names the classes to load."""
    if file.is_file() and file.read_text(encoding="utf-8") == content:
        return
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_text(content, encoding="utf-8")
    beside.replace(file)


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Opens Dagster's instance and closes it; its storage is made where there is none.

    It is entered once, and only if its storage answers: else Dagster goes on asking it for what
    is loaded later.

    Raises:
        UsageError: DAGSTER_HOME names no folder with a dagster.yaml, or one that can't be used.
        PipelineError: defect: Dagster's storage can't be used.
    """
    with dagster_storage():
        home = dagster_home(settings)
        if not (home / CONFIGURATION).is_file():
            raise UsageError(f"DAGSTER_HOME has no {CONFIGURATION}: {home}")
        instance = dg.DagsterInstance.from_config(str(home))
        instance.get_run_records(limit=1)
    with instance:
        yield instance


@contextmanager
def dagster_storage() -> Iterator[None]:
    """Turns an error of Dagster's storage into one line: the ledger and the files have no part.

    Raises:
        PipelineError: defect: the storage failed.
        UsageError: dagster.yaml can't be used.
    """
    try:
        yield
    except (dg.DagsterInvalidConfigError, yaml.YAMLError) as error:
        raise UsageError(f"{CONFIGURATION} can't be used: {type(error).__name__}") from None
    except (SQLAlchemyError, OSError) as error:
        raise _unusable(error) from None
    except Exception as error:
        if isinstance(error.__cause__, SQLAlchemyError):
            raise _unusable(error.__cause__) from None
        raise


def _unusable(error: SQLAlchemyError | OSError) -> PipelineError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    lines = str(cause or error).strip().splitlines()
    return defect(
        f"Dagster's own storage can't be used: {lines[0] if lines else type(error).__name__}",
        is_transient=True,
        next_step="make its database or disk usable (DAGSTER_HOME, dagster.yaml), and run it again",
    )


if __name__ == "__main__":
    make_files_private()
    chosen = load_settings()
    with open_instance(chosen):
        pass  # its storage is there now
    sys.stdout.write(f"{dagster_home(chosen)}\n")
