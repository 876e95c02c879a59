"""A candidate's run and those of its variants: what they say, and how they are written through MLflow's client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.tracking_runs import PARENT, MetricPoint, Runs


@dataclass(frozen=True)
class RunSheet:
    """One run before it is in a tracker; `fill` writes its artifacts into a folder."""

    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: tuple[MetricPoint, ...]
    fill: Callable[[Path], None]


@dataclass(frozen=True)
class Family:
    """The runs of one candidate, which begin and end together; `above` is the run id of the sweep."""

    above: str
    candidate: RunSheet
    variants: tuple[RunSheet, ...]
    started_unix: float
    ended_unix: float
    status: str


def send_family(runs: Runs, family: Family) -> str:
    """Write the runs call by call, and return the candidate's id; nothing stays of what fails half-way.

    Raises:
        MlflowException, OSError: the tracker or the disk refuses.
        StorageError: a file that `fill` needs is missing.
    """
    with _below(runs, family.above, family, family.candidate) as run:
        _send(runs, run, family.candidate, family.ended_unix)
        for sheet in family.variants:
            with _below(runs, run.info.run_id, family, sheet, ends=False) as variant:
                _send(runs, variant, sheet, family.ended_unix)
    return str(run.info.run_id)


def _send(runs: Runs, run: Any, sheet: RunSheet, at_unix: float) -> None:
    runs.log(run.info.run_id, sheet.params, sheet.points, at_unix)
    with runs.artifacts(run) as folder:
        sheet.fill(folder)


@contextmanager
def _below(runs: Runs, parent: str, family: Family, sheet: RunSheet, *, ends: bool = True) -> Iterator[Any]:
    """A run below `parent` for the length of a block; what was written is deleted when the block fails.

    It is terminated after the block, and so known to be whole. With `ends` false it is beforehand, which takes
    MLflow half as long: for a run that is as whole as its parent.
    """
    run = runs.create(sheet.name, {**sheet.tags, PARENT: parent}, family.started_unix)
    try:
        if not ends:
            runs.terminate(run, family.status, family.ended_unix)
        yield run
    except BaseException:
        # Where even that fails, the next attempt or the next start of the sweep deletes it.
        with suppress(Exception):
            runs.delete(run.info.run_id)
        raise
    if ends:
        runs.terminate(run, family.status, family.ended_unix)
