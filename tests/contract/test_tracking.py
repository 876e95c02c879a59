"""Sweeps in a real MLflow store (SQLite in a temporary folder)."""

import errno
import itertools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from facerec_core.errors import OptionError, StorageError, TrackingError
from facerec_core.tflite import Interpreter
from sweep import tracking_write
from sweep.tracking import Tracker
from tests.records import as_failed, make_records
from tests.sweeps import records_of
from tests.tiny_tflite import mean_colour_tflite

LIMITS = {"parameter_bytes": 1_000_000, "file_bytes": None, "latency_judge": "upper"}
SWEEP = ("demo", "python -m sweep multirun width=0.35,0.5", {"width": "0.35,0.5"}, 1e-3, LIMITS)
# A scale at which no pixel value falls half-way between two steps.
INT8 = (0.0079, -3)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("mlruns")


@pytest.fixture
def tracker(root):
    """An experiment of its own in the shared store, whose creation takes seconds."""
    return Tracker.open(root, None, f"experiment {next(_numbers)}")


@pytest.fixture
def records(tmp_path):
    """Two complete candidates, whose files lie in tmp_path, one infeasible and one failed."""
    everything = make_records(30)
    infeasible = next(r for r in everything if r.status == "infeasible")
    failed = as_failed(make_records(3)[2])
    for record in everything[:2]:
        for variant in record.variants:
            path = tmp_path / variant.file.path
            path.parent.mkdir(exist_ok=True)
            quantization = None if variant.scheme == "float32" else INT8
            path.write_bytes(mean_colour_tflite(record.candidate.resolution, quantization))
    return [_three_numbers(r) for r in everything[:2]] + [infeasible, failed]


def _three_numbers(record):
    return replace(
        record, variants=tuple(replace(v, file=replace(v.file, embedding=3)) for v in record.variants), warnings=("w",)
    )


def runs_of(tracker):
    return tracker._runs.search("attributes.status != ''")


def by_name(tracker):
    return {run.info.run_name: run for run in runs_of(tracker)}


def children(tracker, run_id):
    return [run for run in runs_of(tracker) if run.data.tags.get("mlflow.parentRunId") == run_id]


def test_a_sweep_is_a_run_a_candidate_its_child_and_a_variant_its_grandchild(tracker, records, tmp_path):
    with tracker.sweep(*SWEEP) as sweep:
        for record in records:
            tracker.log_candidate(sweep, record, tmp_path)
    candidates = children(tracker, sweep)
    assert {run.info.run_name for run in candidates} >= {"0.35@96-448", "0.35@128-448"}
    variants = children(tracker, by_name(tracker)["0.35@128-448"].info.run_id)
    assert {run.info.run_name for run in variants} == {f"0.35@128-448 {s}" for s in ("float32", "ptq_int8", "qat_int8")}
    statuses = {run.data.tags.get("status"): run.info.status for run in candidates}
    assert statuses == {"complete": "FINISHED", "infeasible": "FINISHED", "failed": "FAILED"}
    assert by_name(tracker)["demo"].info.status == "FINISHED"
    for run in (*candidates, *variants):
        assert run.info.start_time == round(1000 * records[0].started_unix)
        assert run.info.end_time > run.info.start_time


def test_runs_listed_by_their_tags_alone_are_those_mlflow_finds(tracker, records, root, tmp_path):
    with tracker.sweep(*SWEEP) as sweep:
        binned = [tracker.log_candidate(sweep, record, tmp_path) for record in records][1]
    tracker._runs.delete(binned)
    other = Tracker.open(root, None, f"experiment {next(_numbers)}")
    with other.sweep(*SWEEP) as elsewhere:
        other.log_candidate(elsewhere, records[0], tmp_path)

    def told(run):
        return run.info.run_id, run.info.status, run.info.artifact_uri, run.data.tags

    for tags in (
        {},
        {"sweep_run_id": sweep},
        {"level": "variant", "variant": "qat_int8"},
        {"mlflow.parentRunId": sweep},
    ):
        query = " and ".join(["attributes.status != ''", *(f"tags.`{key}` = '{value}'" for key, value in tags.items())])
        found = [(run.run_id, run.status, run.artifact_uri, run.tags) for run in tracker._runs.tagged(**tags)]
        assert found == [told(run) for run in tracker._runs.search(query)]
        assert found
    assert tracker._runs.tagged(level="variant", variant="no such") == []


def test_variants_are_set_side_by_side_and_can_be_filtered(tracker, records, tmp_path):
    with tracker.sweep(*SWEEP) as sweep:
        tracker.log_candidate(sweep, records[1], tmp_path)
    found = tracker._runs.search(
        "params.width = '0.35' and params.variant = 'ptq_int8' and metrics.`tar_at_far_1e-3` > 0 and "
        "tags.status = 'complete'"
    )
    assert [run.info.run_name for run in found] == ["0.35@128-448 ptq_int8"]
    variants = [run for run in runs_of(tracker) if run.data.tags["level"] == "variant"]
    keys = [set(run.data.metrics) for run in variants]
    assert keys[0] == keys[1] == keys[2]
    ptq = found[0]
    assert ptq.data.metrics["accuracy"] == records[1].variants[1].validation.accuracy
    roc = tracker._client.get_metric_history(ptq.info.run_id, "roc_tar")
    grid = records[1].variants[1].validation.roc
    assert [(point.step, point.value) for point in roc] == [
        (round(100 * x), tar)
        for x, tar in zip(grid.log10_far, grid.tar, strict=True)
        if tar is not None and round(100 * x) % 20 == 0
    ]
    loss = tracker._client.get_metric_history(by_name(tracker)["0.35@128-448"].info.run_id, "train_loss")
    assert [point.step for point in loss] == list(range(1, 13))


def test_records_come_back_whole_from_the_tracker_alone(root, tracker, records, tmp_path):
    with tracker.sweep(*SWEEP) as sweep:
        for record in reversed(records):
            tracker.log_candidate(sweep, record, tmp_path)
    again = Tracker.open(root, None, f"experiment {next(_numbers) - 1}", create=False)
    (info,) = again.load_sweeps()
    assert (info.name, info.command, info.target_far, info.limits) == ("demo", SWEEP[1], 1e-3, LIMITS)
    assert again.load_records(info) == sorted(
        records, key=lambda r: (r.candidate.width, r.candidate.resolution, r.candidate.embedding)
    )
    assert records_of(again, sweep)[records[0].key] == records[0]


def test_artifacts(tracker, records, tmp_path):
    with tracker.sweep(*SWEEP) as sweep:
        run_id = tracker.log_candidate(sweep, records[0], tmp_path, {"roc.svg": b"picture"})
    assert {a.path for a in tracker._client.list_artifacts(run_id)} == {"record.json", "config.yaml", "roc.svg"}
    assert "res: 96" in _text_of(tracker, run_id, "config.yaml", tmp_path)
    variants = {run.info.run_name: run.info.run_id for run in children(tracker, run_id)}
    variant = variants["0.35@96-448 float32"]
    assert {a.path for a in tracker._client.list_artifacts(variant)} == {"model", "roc.json"}
    roc = json.loads(_text_of(tracker, variant, "roc.json", tmp_path))
    assert roc["test"]["tar"] == list(records[0].variants[0].test.roc.tar)


def _text_of(tracker, run_id, artifact, folder):
    return Path(tracker._client.download_artifacts(run_id, artifact, str(folder))).read_text()


def test_the_same_record_twice_is_one_run_and_a_second_attempt_replaces_the_first(tracker, records, tmp_path):
    failed = as_failed(records[0])
    with tracker.sweep(*SWEEP) as sweep:
        first = tracker.log_candidate(sweep, failed, tmp_path)
        assert tracker.log_candidate(sweep, failed, tmp_path) == first
        second = tracker.log_candidate(sweep, records[0], tmp_path)
        assert second != first
        known = records_of(tracker, sweep)[records[0].key]
        assert tracker.log_candidate(sweep, known, tmp_path) == second, "a record read back is the same record"
    assert [run.info.run_id for run in children(tracker, sweep)] == [second]
    assert len(children(tracker, second)) == 3


def test_a_sweep_of_the_same_name_is_continued(tracker, records, tmp_path):
    with tracker.sweep(*SWEEP) as first:
        tracker.log_candidate(first, records[0], tmp_path)
    with tracker.sweep("other", "command", {}, 1e-2, {}) as other:
        pass
    name, _, _, target_far, limits = SWEEP
    with tracker.sweep(name, "python -m sweep multirun res=96,128", {"width": "0.5"}, target_far, limits) as second:
        assert by_name(tracker)["demo"].info.status == "RUNNING"
        tracker.log_candidate(second, records[1], tmp_path)
    assert first == second != other
    latest = tracker.load_sweeps()[0]
    assert (latest.name, latest.status, latest.command) == (
        "demo",
        "FINISHED",
        "python -m sweep multirun res=96,128",
    )
    assert latest.earlier_commands == (SWEEP[1],)
    with tracker.sweep(*SWEEP):
        pass
    assert tracker.load_sweeps()[0].earlier_commands == ("python -m sweep multirun res=96,128",)
    assert len(tracker.load_records(latest)) == 2


def test_a_sweep_continued_by_its_own_command_keeps_its_tags(tracker):
    tags = []
    for _ in range(2):
        with tracker.sweep(*SWEEP):
            pass
        tags.append(by_name(tracker)["demo"].data.tags.items())
    assert {name for name, _ in tags[0] ^ tags[1]} == {"last_started"}


@pytest.mark.parametrize(("target_far", "limits"), [(1e-2, None), (None, {"latency_ms": 50.0})])
def test_a_sweep_is_not_continued_by_another_measure(tracker, target_far, limits):
    with tracker.sweep(*SWEEP) as run_id:
        pass
    name, command, params, first_far, first_limits = SWEEP
    with pytest.raises(OptionError, match=r"sweep: got 'demo', allowed: another name; this sweep was begun with"):
        tracker.start_sweep(name, command, params, target_far or first_far, limits or first_limits)
    assert by_name(tracker)["demo"].info.run_id == run_id
    assert by_name(tracker)["demo"].info.status == "FINISHED"


def test_sweeps_are_found_by_name_latest_and_all(tracker):
    with pytest.raises(TrackingError, match="holds no sweep yet"):
        tracker.find_sweeps("latest")
    for name in ("a", "it's"):
        with tracker.sweep(name, "command", {}, 1e-3, {}):
            pass
    assert [s.name for s in tracker.find_sweeps("latest")] == ["it's"]
    assert [s.name for s in tracker.find_sweeps("all")] == ["it's", "a"]
    assert [s.name for s in tracker.find_sweeps("a")] == ["a"]
    with pytest.raises(OptionError, match="sweep: got 'b', allowed: latest, all, it's, a"):
        tracker.find_sweeps("b")


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED"), (ValueError, "FAILED")]
)
def test_whatever_ends_a_sweep_leaves_nothing_running(tracker, records, tmp_path, monkeypatch, error, status):
    calls = itertools.count()
    save_model = tracking_write.save_model

    def interrupted(*args):
        if next(calls) == 4:  # a candidate takes 3 calls
            raise error
        return save_model(*args)

    monkeypatch.setattr(tracking_write, "save_model", interrupted)

    def two_candidates():
        with tracker.sweep(*SWEEP) as sweep:
            # What a killed process leaves: a run that nobody will end.
            tracker._client.create_run(tracker.experiment_id, tags={"sweep_run_id": sweep, "level": "candidate"})
            for record in records[:2]:
                tracker.log_candidate(sweep, record, tmp_path)

    with pytest.raises(error):
        two_candidates()
    assert {run.info.status for run in runs_of(tracker)} == {"FINISHED", "KILLED", status}
    (info,) = tracker.load_sweeps()
    assert info.status == status
    assert tracker.load_records(info) == records[:1], "the half-written candidate is gone"


def test_a_missing_file_is_named_and_leaves_no_candidate(tracker, records, tmp_path):
    (tmp_path / records[0].variants[2].file.path).unlink()
    sweep = tracker.start_sweep(*SWEEP)
    with pytest.raises(StorageError, match=r"448_qat_int8.tflite: the qat_int8 file is missing"):
        tracker.log_candidate(sweep, records[0], tmp_path)
    assert children(tracker, sweep) == []


def test_a_full_disk_is_one_line(tracker, records, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tracking_write, "save_model", full)
    sweep = tracker.start_sweep(*SWEEP)
    with pytest.raises(StorageError, match=r"^[^\n]*No space left on device[^\n]*paths.root=FOLDER[^\n]*$"):
        tracker.log_candidate(sweep, records[0], tmp_path)


def test_the_best_candidates_variants_come_first(tracker, records, tmp_path):
    with tracker.sweep(*SWEEP) as sweep:
        for record in records:
            tracker.log_candidate(sweep, record, tmp_path)
    (info,) = tracker.load_sweeps()
    names = {run.info.run_id: run.info.run_name for run in runs_of(tracker)}
    assert [names[run] for run in tracker.views(info, 1).best[0].runs] == [
        "0.35@128-448 float32",
        "0.35@128-448 ptq_int8",
        "0.35@128-448 qat_int8",
    ]
    assert sum(len(candidate.runs) for candidate in tracker.views(info).best) == 6


@pytest.mark.parametrize("scheme", ["float32", "ptq_int8"])
def test_a_model_loads_back_from_its_run_and_gives_fingerprints(tracker, records, tmp_path, monkeypatch, scheme):
    import mlflow

    with tracker.sweep(*SWEEP) as sweep:
        tracker.log_candidate(sweep, records[0], tmp_path)
    run = by_name(tracker)[f"0.35@96-448 {scheme}"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)
    model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    assert "(-1, 96, 96, 3)" in str(model.metadata.signature.inputs)
    assert "(-1, 3)" in str(model.metadata.signature.outputs)
    images = np.random.default_rng(0).integers(0, 256, (70, 96, 96, 3)).astype(np.uint8)
    images[:] = images[:, :1, :1]
    fingerprints = model.predict(images)
    assert fingerprints.dtype == np.float32
    assert fingerprints.shape == (70, 3)
    path = next(v.file.path for v in records[0].variants if v.scheme == scheme)
    ours = Interpreter(tmp_path / path).embed(images)
    np.testing.assert_allclose(fingerprints, ours / np.linalg.norm(ours, axis=1, keepdims=True), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(model.predict(images[:1]), fingerprints[:1])
    with pytest.raises(mlflow.exceptions.MlflowException, match="shape"):
        model.predict(images[:, :50])


def test_a_model_holds_nothing_pickled(tracker, records, tmp_path):
    with tracker.sweep(*SWEEP) as sweep:
        tracker.log_candidate(sweep, records[0], tmp_path)
    run = by_name(tracker)["0.35@96-448 qat_int8"]
    folder = tmp_path / "model"
    folder.mkdir()
    tracker._client.download_artifacts(run.info.run_id, "model", str(folder))
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not {name for name in names if name.endswith((".pkl", ".pickle"))}
    requirements = next(folder.rglob("requirements.txt")).read_text()
    assert {line.split("==")[0] for line in requirements.split()} == {"mlflow", "ai-edge-litert", "numpy"}


def test_pixels_half_way_between_two_steps_stay_apart():
    from sweep.fingerprint_model import _input_levels

    levels = _input_levels({"quantization": (np.float32(2 / 255), -1), "dtype": np.int8})
    np.testing.assert_array_equal(levels, np.arange(256) - 128)


def test_more_points_than_one_call_takes_are_all_logged(tracker):
    sweep = tracker.start_sweep(*SWEEP)
    tracker._runs.log(sweep, {f"p{i}": "x" for i in range(150)}, [("m", float(i), i) for i in range(1500)])
    assert len(tracker._client.get_run(sweep).data.params) == 151
    assert len(tracker._client.get_metric_history(sweep, "m")) == 1500


def test_a_damaged_record_is_named(tracker, records, tmp_path):
    with tracker.sweep(*SWEEP) as sweep:
        run_id = tracker.log_candidate(sweep, records[2], tmp_path)
    tracker._client.log_text(run_id, "{", "record.json")
    with pytest.raises(StorageError, match=f"record.json of run {run_id}"):
        tracker.load_records(SimpleNamespace(run_id=sweep))


def test_importing_the_tracker_does_not_import_mlflow():
    check = "import sys, sweep.tracking, sweep.ui; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=Path(__file__).parents[2], check=False).returncode == 0
