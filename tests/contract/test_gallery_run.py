"""`--model RUN_ID`: a variant as the tracker has it, with its threshold and how its images were prepared."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from facerec_core.errors import TrackingError
from facerec_core.gallery.files import read_gallery
from sweep.cli import main
from sweep.tracking import Tracker
from sweep.tracking_variant import load_variant
from tests.image_files import picture
from tests.records import make_records
from tests.tiny_tflite import mean_colour_tflite

LIMITS = {"parameter_bytes": 1_000_000}
EXPERIMENT = "facerec"


def complete(folder: Path):
    """A candidate whose files lie in `folder`, trained on aligned faces of its own crop."""
    record = make_records(1)[0]
    variants = []
    for variant in record.variants:
        quantization = None if variant.scheme == "float32" else (0.0079, -3)
        content = mean_colour_tflite(record.candidate.resolution, quantization)
        path = folder / variant.file.path
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        variants.append(replace(variant, file=replace(variant.file, embedding=3, sha256=digest)))
    data = {"image_size": 112, "crop": 0.875, "landmarks": "points.csv"}
    return replace(record, variants=tuple(variants), config={**record.config, "data": data})


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, str]:
    """The folder of a tracker, and the run ids of a sweep, its candidate and its variants."""
    folder = tmp_path_factory.mktemp("tracked")
    tracker = Tracker.open(folder / "mlruns", None, EXPERIMENT)
    with tracker.sweep("demo", "python -m sweep run", {}, 1e-3, LIMITS) as sweep:
        candidate = tracker.log_candidate(sweep, complete(folder), folder)
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    below = client.search_runs([tracker.experiment_id], f"tags.mlflow.parentRunId = '{candidate}'")
    ids = {run.data.tags["variant"]: run.info.run_id for run in below}
    return {"folder": str(folder), "sweep": sweep, "candidate": candidate, **ids}


def open_variant(runs, name: str):
    return load_variant(Path(runs["folder"]) / "mlruns", None, EXPERIMENT, runs[name])


def test_a_variant_is_read_back_with_its_record(runs) -> None:
    found = open_variant(runs, "qat_int8")
    assert found.variant.scheme == "qat_int8"
    assert hashlib.sha256(found.content).hexdigest() == found.variant.file.sha256
    assert found.record.variants[2] == found.variant


def test_of_a_candidate_the_variants_are_named(runs) -> None:
    with pytest.raises(TrackingError) as caught:
        open_variant(runs, "candidate")
    assert f"{runs['ptq_int8']} (ptq_int8)" in str(caught.value)
    with pytest.raises(TrackingError, match="is of a sweep, allowed: the run of a variant"):
        open_variant(runs, "sweep")
    with pytest.raises(TrackingError, match="0123"):
        load_variant(Path(runs["folder"]) / "mlruns", None, EXPERIMENT, "0123456789abcdef" * 2)


def test_enrolling_with_a_run_takes_its_threshold_and_preparation(runs, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        Path(f"{number}.png").write_bytes(picture(number))
    where = [f"paths.root={runs['folder']}/mlruns", f"tracking.experiment={EXPERIMENT}"]
    shared = ["--gallery", "g.fpdb", "--model", runs["ptq_int8"], "--json", *where]
    assert main(["enroll", *shared, "--name", "Ada", "0.png"]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert "aligned by five landmarks" in warning
    gallery = read_gallery(Path("g.fpdb"))
    assert [(one.far, round(one.threshold, 6)) for one in gallery.thresholds] == [(1e-3, 0.42)]
    assert (gallery.preparation.image_side, gallery.preparation.crop) == (112, 0.875)
    assert gallery.model.scheme == "ptq_int8"
    assert main(["identify", *shared, "0.png", "1.png"]) == 0
    first, _ = json.loads(capsys.readouterr().out)["images"]
    assert first["person"] == "Ada"


def test_keys_that_were_typed_go_before_the_record(runs, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("0.png").write_bytes(picture(0))
    where = [f"paths.root={runs['folder']}/mlruns", f"tracking.experiment={EXPERIMENT}", "data.image_size=64"]
    line = ["enroll", "--gallery", "g.fpdb", "--model", runs["ptq_int8"], "--name", "Ada", "--crop", "0.5", "0.png"]
    assert main([*line, *where]) == 0
    assert "warning: the network was trained on faces aligned" in capsys.readouterr().out
    preparation = read_gallery(Path("g.fpdb")).preparation
    assert (preparation.image_side, preparation.crop) == (64, 0.5)
