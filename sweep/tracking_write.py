"""One candidate as MLflow holds it: a run with the record, and a run below it for each variant."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facerec_core.types import RunRecord, VariantRecord
from sweep import tracking_keys as keys
from sweep.tracking_model import save_model, yaml_text
from sweep.tracking_runs import Runs
from sweep.tracking_verdict import CANDIDATE, BestSoFar

DONE = ("FINISHED", "FAILED")


@dataclass(frozen=True)
class Earlier:
    """A candidate's run that is in the tracker already: its id, the hash of its record, and whether it is whole."""

    run_id: str
    digest: str
    done: bool


@dataclass(frozen=True)
class Held:
    """What the tracker holds of one sweep: its name, the runs of each candidate key, the best this process wrote."""

    sweep: str
    runs: dict[str, list[Earlier]]
    best: BestSoFar


def look_up(runs: Runs, sweep_run_id: str, key: str | None = None) -> Held:
    """What the tracker holds of a sweep, or of one candidate of it."""
    held: dict[str, list[Earlier]] = {}
    only = {} if key is None else {"candidate_key": key}
    for run in runs.tagged(sweep_run_id=sweep_run_id, level="candidate", **only):
        earlier = Earlier(run.run_id, run.tags.get("record_sha256", ""), run.status in DONE)
        held.setdefault(run.tags.get("candidate_key", ""), []).append(earlier)
    tags = runs.client.get_run(sweep_run_id).data.tags
    return Held(tags["sweep"], held, BestSoFar(float(tags["target_far"])))


def replace_earlier(runs: Runs, earlier: Sequence[Earlier], digest: str) -> str | None:
    """The run that holds this very record; all others are deleted."""
    same = next((one for one in earlier if one.done and one.digest == digest), None)
    for one in earlier:
        if one is not same:
            runs.delete(one.run_id)
    return same.run_id if same else None


@dataclass(frozen=True)
class Sheet:
    """What is written of one candidate: the record, its text, where its files lie, pictures by file name."""

    record: RunRecord
    text: str
    digest: str
    model_dir: Path
    pictures: Mapping[str, bytes]


def write_candidate(runs: Runs, held: Held, sweep_run_id: str, sheet: Sheet) -> str:
    """Write the candidate's run and its variants', and return its id; nothing stays of what fails half-way.

    Raises:
        MlflowException, OSError: the tracker or the disk refuses.
        StorageError: a variant's file is missing.
    """
    record = sheet.record
    own = {"sweep": held.sweep, "sweep_run_id": sweep_run_id, "record_sha256": sheet.digest}
    common = own | keys.record_tags(record)
    figures = [(key, value, 0) for key, value in keys.candidate_metrics(record).items()]
    standings = held.best.settled(record)
    tags = {**common, **keys.version_tags(record), "level": "candidate", **standings.get((record.key, CANDIDATE), {})}
    with runs.below(sweep_run_id, record.candidate.name, tags, record) as run:
        points = [*figures, *keys.curve_points(record)]
        runs.log(run.info.run_id, keys.candidate_params(record), points, record.ended_unix)
        with runs.artifacts(run) as folder:
            _write_record(folder, sheet)
        for variant in record.variants:
            _write_variant(runs, run, common | standings.get((record.key, variant.scheme), {}), sheet, variant)
    return str(run.info.run_id)


def _write_record(folder: Path, sheet: Sheet) -> None:
    (folder / "record.json").write_text(sheet.text, encoding="utf-8")
    (folder / "config.yaml").write_text(yaml_text(json.loads(sheet.text)["config"]), encoding="utf-8")
    for name, content in sheet.pictures.items():
        (folder / name).write_bytes(content)


def _write_variant(runs: Runs, parent: Any, common: Mapping[str, str], sheet: Sheet, variant: VariantRecord) -> None:
    record = sheet.record
    tags = {**common, "level": "variant", "variant": variant.scheme}
    figures = [(key, value, 0) for key, value in keys.variant_metrics(record, variant).items()]
    name = keys.variant_name(record.candidate, variant.scheme)
    with runs.below(parent.info.run_id, name, tags, record, ends=False) as run:
        points = [*figures, *keys.roc_points(variant.validation.roc)]
        runs.log(run.info.run_id, keys.variant_params(record, variant), points, record.ended_unix)
        with runs.artifacts(run) as folder:
            save_model(folder / "model", sheet.model_dir / variant.file.path, record.candidate.resolution, variant)
            (folder / "roc.json").write_text(json.dumps(_roc_of(variant), indent=1), encoding="utf-8")


def _roc_of(variant: VariantRecord) -> dict[str, Any]:
    """Both ROC grids; a TAR below the FAR floor is null."""
    splits = (variant.validation, variant.test)
    return {
        split.split: {"log10_far": split.roc.log10_far, "tar": split.roc.tar, "far_floor": split.far_floor}
        for split in splits
    }
