"""One candidate as MLflow holds it: a run with the record, and a run below it for each variant."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from facerec_core.types import RunRecord, VariantRecord
from sweep import tracking_keys as keys
from sweep.tracking_family import Family, RunSheet, send_family
from sweep.tracking_model import save_model, yaml_text
from sweep.tracking_rows import insert_family
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
        MlflowException, SQLAlchemyError, OSError: the tracker or the disk refuses.
        StorageError: a variant's file is missing.
    """
    family = _family(held, sweep_run_id, sheet)
    return insert_family(runs, family) if runs.reached_directly() else send_family(runs, family)


def _family(held: Held, sweep_run_id: str, sheet: Sheet) -> Family:
    record = sheet.record
    own = {"sweep": held.sweep, "sweep_run_id": sweep_run_id, "record_sha256": sheet.digest}
    common = own | keys.record_tags(record)
    standings = held.best.settled(record)
    variants = tuple(
        _variant_sheet(common | standings.get((record.key, variant.scheme), {}), sheet, variant)
        for variant in record.variants
    )
    candidate = _candidate_sheet(common | standings.get((record.key, CANDIDATE), {}), sheet)
    status = "FAILED" if record.status == "failed" else "FINISHED"
    return Family(sweep_run_id, candidate, variants, record.started_unix, record.ended_unix, status)


def _candidate_sheet(common: Mapping[str, str], sheet: Sheet) -> RunSheet:
    record = sheet.record
    tags = {**common, **keys.version_tags(record), "level": "candidate"}
    figures = ((key, value, 0) for key, value in keys.candidate_metrics(record).items())
    points = (*figures, *keys.curve_points(record))
    fill = partial(_write_record, sheet)
    return RunSheet(record.candidate.name, tags, keys.candidate_params(record), points, fill)


def _variant_sheet(common: Mapping[str, str], sheet: Sheet, variant: VariantRecord) -> RunSheet:
    record = sheet.record
    tags = {**common, "level": "variant", "variant": variant.scheme}
    figures = ((key, value, 0) for key, value in keys.variant_metrics(record, variant).items())
    points = (*figures, *keys.roc_points(variant.validation.roc))
    name, fill = keys.variant_name(record.candidate, variant.scheme), partial(_write_variant, sheet, variant)
    return RunSheet(name, tags, keys.variant_params(record, variant), points, fill)


def _write_record(sheet: Sheet, folder: Path) -> None:
    (folder / "record.json").write_text(sheet.text, encoding="utf-8")
    (folder / "config.yaml").write_text(yaml_text(json.loads(sheet.text)["config"]), encoding="utf-8")
    for name, content in sheet.pictures.items():
        (folder / name).write_bytes(content)


def _write_variant(sheet: Sheet, variant: VariantRecord, folder: Path) -> None:
    save_model(folder / "model", sheet.model_dir / variant.file.path, sheet.record.candidate.resolution, variant)
    (folder / "roc.json").write_text(json.dumps(_roc_of(variant), indent=1), encoding="utf-8")


def _roc_of(variant: VariantRecord) -> dict[str, Any]:
    """Both ROC grids; a TAR below the FAR floor is null."""
    splits = (variant.validation, variant.test)
    return {
        split.split: {"log10_far": split.roc.log10_far, "tar": split.roc.tar, "far_floor": split.far_floor}
        for split in splits
    }
