"""A tracker with one candidate whose networks are given, for tests of the export."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from facerec_core.types import RunRecord, Scheme
from sweep.tracking import Tracker
from tests.recipes import tiny_recipe
from tests.settings import settings

EXPERIMENT = "facerec-sweep"
LIMITS = {"parameter_bytes": 1_000_000}


@dataclass(frozen=True)
class Tracked:
    """A tracker in `root`, with the run ids of a candidate and of its variants, and the record."""

    root: Path
    record: RunRecord
    runs: dict[str, str]


def with_files(record: RunRecord, folder: Path, content: Callable[[Scheme], bytes], embedding: int) -> RunRecord:
    """The record of rendered faces whose variants' files are those given, written below `folder`."""
    variants = []
    for variant in record.variants:
        made, path = content(variant.scheme), folder / variant.file.path
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(made)
        digest = hashlib.sha256(made).hexdigest()
        file = replace(variant.file, embedding=embedding, sha256=digest, size_bytes=len(made))
        variants.append(replace(variant, file=file))
    (base,) = settings()
    recorded: dict[str, Any] = {**base.config, "data": asdict(tiny_recipe().data)}
    return replace(record, variants=tuple(variants), config=recorded)


def track(folder: Path, record: RunRecord, sweep: str = "small") -> Tracked:
    """Log one candidate, then delete the files it was logged from: an export needs the tracker alone."""
    root = folder / "mlruns"
    tracker = Tracker.open(root, None, EXPERIMENT)
    with tracker.sweep(sweep, "python -m sweep run", {}, 1e-3, LIMITS) as sweep_run:
        candidate = tracker.log_candidate(sweep_run, record, folder)
    for variant in record.variants:
        (folder / variant.file.path).unlink()
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    below = client.search_runs([tracker.experiment_id], f"tags.mlflow.parentRunId = '{candidate}'")
    return Tracked(
        root, record, {run.data.tags["variant"]: run.info.run_id for run in below} | {"candidate": candidate}
    )
