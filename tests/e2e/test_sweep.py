"""The whole of it through the command line: train, quantise, evaluate, track, report, and start again."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.cli import TINY, sweep

pytestmark = pytest.mark.slow

ONE = (*TINY, "train.learning_rate=2e-3")
GRID = [arg for arg in ONE if not arg.startswith("res=")]
SWEEP = ("multirun", *GRID, "width=0.35,0.75", "res=96,128", "workers=2", "sweep=first")
TRAINED = {"0.35@96-448", "0.35@128-448"}
INFEASIBLE = {"0.75@96-960", "0.75@128-960"}
VARIANTS = {"float32", "ptq_int8", "qat_int8"}
STANDINGS = ["front", "dominated", "undecided", "infeasible", "pruned", "failed"]
COMPARED = ["recommended_details", "metric", "hypervolume", "quantisation", "relaxations", "quantisation_health"]
REPORT_KEYS = ["recommended", *STANDINGS, "limits", "target_far", *COMPARED]
NO_TENSORFLOW = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "tf_keras", "tensorflow_model_optimization"):
            raise RuntimeError(f"{name} was imported")

sys.meta_path.insert(0, Refuse())
"""


@dataclass(frozen=True)
class Swept:
    """A finished sweep: the folder it was started in, and what it printed."""

    folder: Path
    said: str

    @property
    def root(self) -> Path:
        return self.folder / "mlruns"


@dataclass(frozen=True)
class Row:
    """A run in the tracker, as far as it may not change."""

    run_id: str
    name: str
    level: str
    parent: str | None
    status: str
    metrics: frozenset[str]
    ended: int
    tags: tuple[tuple[str, str], ...]


def client(root: Path):
    from sweep.tracking import Tracker

    return Tracker.open(root, None, "facerec-sweep", create=False)


def rows(root: Path, name: str | None = None) -> list[Row]:
    tracker = client(root)
    query = f"tags.sweep = '{name}'" if name else ""
    return [
        Row(
            run.info.run_id,
            run.info.run_name,
            run.data.tags["level"],
            run.data.tags.get("mlflow.parentRunId"),
            run.info.status,
            frozenset(run.data.metrics),
            run.info.end_time,
            tuple(sorted(run.data.tags.items())),
        )
        for run in tracker._runs.search(query)
    ]


def level(found: list[Row], name: str) -> list[Row]:
    return [row for row in found if row.level == name]


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Swept:
    folder = tmp_path_factory.mktemp("elsewhere")
    done = sweep(*SWEEP, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return Swept(folder, done.stderr)


def test_it_says_what_it_does_and_how_to_go_on(swept) -> None:
    lines = swept.said.splitlines()
    assert f"sweep first: 4 candidate(s), results in {swept.root}" in lines
    assert "0.75@96-960: not trained: parameter_bytes 1,303,984 of 1,000,000 bytes (exceeded)" in swept.said
    for name in TRAINED:
        assert re.search(rf"{name}: validation float32 \S+ \S+ [\d.]+, ptq_int8 .* qat_int8 ", swept.said)
    assert re.search(r"\[\d:\d\d 4/4\]", swept.said)
    assert lines[-1] == "sweep first is finished; compare its candidates: python -m sweep report sweep=first"


def test_the_tracker_holds_a_sweep_its_candidates_and_their_variants(swept) -> None:
    found = rows(swept.root, "first")
    (parent,) = level(found, "sweep")
    candidates, variants = level(found, "candidate"), level(found, "variant")
    assert {row.name for row in candidates} == TRAINED | INFEASIBLE
    assert {row.parent for row in candidates} == {parent.run_id}
    trained = {row.run_id for row in candidates if row.name in TRAINED}
    assert sorted(row.parent for row in variants) == sorted([*trained] * 3)
    assert {row.name.split()[1] for row in variants} == VARIANTS
    known = {name: {row.metrics for row in variants if row.name.endswith(name)} for name in VARIANTS}
    ((plain,), (ptq,), (qat,)) = (known[name] for name in ("float32", "ptq_int8", "qat_int8"))
    assert {"accuracy", "auc", "eer", "size_bytes", "parameters", "macs", "latency_ms"} <= plain
    assert plain < ptq == qat, "what int8 is compared with float for comes on top"
    assert {row.status for row in found} == {"FINISHED"}


def test_the_int8_files_are_int8_throughout(swept) -> None:
    from facerec_core import tflite

    files = sorted(swept.root.glob("stages/*/*_int8.tflite"))
    assert len(files) == 4
    for path in files:
        tflite.check_fully_int8(path.read_bytes())
        described = tflite.describe(path, path.stem, path.stat().st_size)
        assert (described.input.dtype, described.output.dtype) == ("int8", "int8")
        assert described.embedding == 448


@pytest.mark.filterwarnings("ignore")  # MLflow's own, while it is imported
def test_models_load_back_from_their_runs_and_give_the_same_fingerprints(swept, monkeypatch) -> None:
    import mlflow

    from facerec_core.tflite import Interpreter

    faces = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    tracker = client(swept.root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)  # set_tracking_uri would outlive this test
    runs = {row.name: row.run_id for row in level(rows(swept.root, "first"), "variant")}
    record = tracker.load_records(tracker.find_sweeps("first")[0])[0]
    assert {variant.scheme for variant in record.variants} == VARIANTS
    for variant in record.variants:
        model = mlflow.pyfunc.load_model(f"runs:/{runs[f'0.35@96-448 {variant.scheme}']}/model")
        assert model.metadata.signature is not None
        file = swept.root / "stages" / variant.file.path
        raw = Interpreter(file, kernels="fast", threads=1, batch_size=1).embed(faces, lambda done, total: None)
        np.testing.assert_allclose(model.predict(faces), raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-6)


def test_the_report_is_written_and_says_why_candidates_are_out(swept) -> None:
    done = sweep("report", "sweep=first", cwd=swept.folder)
    assert done.returncode == 0, done.stderr
    folder = swept.root / "reports" / "first"
    assert str(folder / "report.html") in done.stdout
    names = {"report.html", "report.json", "candidates.csv", "pareto.csv", "pareto.png", "roc.png"}
    assert names <= {path.name for path in folder.iterdir()}
    document = json.loads((folder / "report.json").read_text())
    assert list(document) == REPORT_KEYS
    assert {entry["variant"] for entry in document["front"] + document["dominated"]} <= {"ptq_int8", "qat_int8"}
    assert document["recommended"] in document["front"]
    assert {entry["width"] for entry in document["infeasible"]} == {0.75}
    assert {entry["limits"][0]["name"] for entry in document["infeasible"]} == {"parameter_bytes"}
    assert document["failed"] == []
    assert document["target_far"] == 0.1
    page = (folder / "report.html").read_text()
    assert "0.75@96" in page
    assert "parameter_bytes" in page or "1,303,984" in page


def test_the_same_command_again_needs_no_tensorflow_and_changes_nothing(swept, tmp_path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_TENSORFLOW)
    before = rows(swept.root, "first")
    done = sweep(*SWEEP, cwd=swept.folder, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("known from an earlier start") == 4
    after = rows(swept.root, "first")
    assert [row for row in after if row.level != "sweep"] == [row for row in before if row.level != "sweep"]
    assert [row.run_id for row in level(after, "sweep")] == [row.run_id for row in level(before, "sweep")]
    # Under another name nothing is known, but everything is on disk.
    named = sweep(*SWEEP, "sweep=second", cwd=swept.folder, PYTHONPATH=str(tmp_path))
    assert named.returncode == 0, named.stderr
    assert {row.name for row in level(rows(swept.root, "second"), "candidate")} == {
        row.name for row in level(before, "candidate")
    }


def test_a_candidate_that_diverges_fails_alone(swept) -> None:
    rates = "train.learning_rate=2e-3,1e30"
    done = sweep("multirun", *TINY, rates, "sweep=diverging", cwd=swept.folder)
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("failed: 0.35@96-448 train.learning_rate=1e+30 in float: train: ")
    assert "Traceback" not in done.stderr
    found = rows(swept.root, "diverging")
    assert sorted(row.status for row in level(found, "candidate")) == ["FAILED", "FINISHED"]
    assert level(found, "sweep")[0].status == "FINISHED"
    tracker = client(swept.root)
    records = tracker.load_records(tracker.find_sweeps("diverging")[0])
    (failure,) = (record.failure for record in records if record.failure)
    assert failure.stage == "float"
    assert "TrainingError" in failure.traceback
    report = sweep("report", "sweep=diverging", cwd=swept.folder)
    assert report.returncode == 0, report.stderr
    document = json.loads((swept.root / "reports" / "diverging" / "report.json").read_text())
    assert [entry["stage"] for entry in document["failed"]] == ["float"]


def test_a_damaged_stage_is_built_again_or_named(swept, tmp_path) -> None:
    root = tmp_path / "mlruns"
    for part in ("stages", "cache"):
        shutil.copytree(swept.root / part, root / part)
    for evaluation in root.glob("stages/eval-qat_int8-*/evaluation.json"):
        evaluation.write_text(evaluation.read_text()[:100])
    again = sweep("run", *ONE, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "loading TensorFlow" not in again.stderr
    for folder in root.glob("stages/ptq-*"):
        shutil.rmtree(folder)
    for weights in root.glob("stages/float-*/weights.npz"):
        weights.write_bytes(weights.read_bytes()[:1000])
    broken = sweep("run", *ONE, "sweep=broken", cwd=tmp_path)
    assert broken.returncode == 1, broken.stderr
    last = broken.stderr.splitlines()[-1]
    assert last.startswith("failed: 0.35@96-448 in ptq: ")
    assert "weights.npz" in last
    assert last.endswith("force=true")
