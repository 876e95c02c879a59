"""One variant read back from MLflow: its .tflite and the record of its candidate."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facerec_core.errors import TrackingError
from facerec_core.record_json import parse_record
from facerec_core.types import RunRecord, VariantRecord
from sweep.tracking_store import mlflow_errors, open_store

RUN_ID = re.compile(r"[0-9a-f]{32}")
_MODEL_FOLDER = "model/artifacts"


@dataclass(frozen=True)
class TrackedVariant:
    """A variant as the tracker has it: the content of its .tflite, and what was recorded of it."""

    content: bytes
    variant: VariantRecord
    record: RunRecord


def load_variant(root: Path, uri: str | None, experiment: str, run_id: str) -> TrackedVariant:
    """Read the variant of a run.

    Args:
        root: folder of `mlflow.db`, where `uri` is None.
        uri: MLflow's tracking URI.
        experiment: name of the MLflow experiment.
        run_id: of the variant's run, 32 hexadecimal digits.

    Raises:
        StorageError: the record is damaged.
        TrackingError: the tracker cannot be read, or the run is none of a variant.
    """
    client, _, address = open_store(root, uri, experiment, create=False)
    with mlflow_errors(address), tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        run = client.get_run(run_id)
        _check_level(client, run)
        parent = run.data.tags["mlflow.parentRunId"]
        text = Path(client.download_artifacts(parent, "record.json", folder)).read_text(encoding="utf-8")
        content = _tflite(client, run_id, folder)
    record = parse_record(RunRecord, text, f"record.json of run {parent}")
    scheme = run.data.tags["variant"]
    variant = next((variant for variant in record.variants if variant.scheme == scheme), None)
    if variant is None:
        raise TrackingError(f"run {run_id}: its candidate's record has no {scheme}, allowed: one of a finished sweep")
    return TrackedVariant(content, variant, record)


def _check_level(client: Any, run: Any) -> None:
    """Of a candidate's run the message names those of its variants."""
    level = run.data.tags.get("level")
    if level == "variant":
        return
    run_id = run.info.run_id
    query = f"tags.mlflow.parentRunId = '{run_id}' and tags.level = 'variant'"
    below = client.search_runs([run.info.experiment_id], query) if level == "candidate" else []
    known = ", ".join(f"{one.info.run_id} ({one.data.tags['variant']})" for one in below)
    allowed = known or "the run of a variant, the innermost of the three levels"
    raise TrackingError(f"run {run_id}: is of a {level or 'kind unknown'}, allowed: {allowed}")


def _tflite(client: Any, run_id: str, folder: str) -> bytes:
    paths = [item.path for item in client.list_artifacts(run_id, _MODEL_FOLDER) if item.path.endswith(".tflite")]
    if len(paths) != 1:
        raise TrackingError(f"run {run_id}: got {len(paths)} .tflite files in {_MODEL_FOLDER}, allowed: one")
    return Path(client.download_artifacts(run_id, paths[0], folder)).read_bytes()
