"""The recommended variant in MLflow's model registry, and candidates that were given up, in a real SQLite store."""

import itertools

import mlflow
import numpy as np
import pytest

from facerec_core.errors import TrackingError
from sweep.patience import Patience
from sweep.tracking import Tracker
from tests.records import as_failed, as_pruned, make_records
from tests.sweeps import records_of
from tests.tiny_tflite import mean_colour_tflite

_numbers = itertools.count()
SWEEP = ("mine", "python -m sweep multirun", {}, 1e-3, {"latency_ms": 500})


@pytest.fixture
def said():
    return []


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("mlruns")


@pytest.fixture
def tracker(root, said):
    """An experiment of its own in the shared store, whose creation takes seconds."""
    return Tracker.open(root, None, f"experiment {next(_numbers)}", patience=Patience(0, said.append))


def with_files(records, folder):
    for record in records:
        for variant in record.variants:
            path = folder / variant.file.path
            path.parent.mkdir(exist_ok=True)
            quantization = None if variant.scheme == "float32" else (0.0079, -3)
            path.write_bytes(mean_colour_tflite(record.candidate.resolution, quantization))
    return records


def test_the_recommended_variant_is_registered_once_with_its_limits(tracker, said, tmp_path, monkeypatch) -> None:
    best = make_records(4)[3]
    with tracker.sweep(*SWEEP) as sweep:
        for record in with_files(make_records(4), tmp_path):
            tracker.log_candidate(sweep, record, tmp_path)
    assert tracker.register_best(sweep, "fingerprints") == "1"
    assert said == ["registered 0.5@128-640 QAT as models:/fingerprints@recommended (version 1)"]
    assert tracker.register_best(sweep, "fingerprints") == "1", "the same variant is one version"

    version = tracker._client.get_model_version_by_alias("fingerprints", "recommended")
    tags = version.tags
    assert (tags["sweep"], tags["candidate"], tags["variant"]) == ("mine", best.candidate.name, "qat_int8")
    assert tags["limit.latency_ms"].startswith("500 ms; latency_high_ms ")
    assert float(tags["validation.tar_at_far_1e-3"]) == pytest.approx(
        best.variants[2].validation.tar_at_far["1e-3"], rel=1e-5
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", tracker.uri)
    model = mlflow.pyfunc.load_model("models:/fingerprints@recommended")
    assert "(-1, 128, 128, 3)" in str(model.metadata.signature.inputs)
    fingerprints = model.predict(np.full((2, 128, 128, 3), 200, np.uint8))
    np.testing.assert_allclose(np.linalg.norm(fingerprints, axis=1), [1.0, 1.0], atol=1e-6)


def test_a_better_one_takes_the_alias_over(tracker, tmp_path) -> None:
    records = with_files(make_records(4), tmp_path)
    with tracker.sweep(*SWEEP) as sweep:
        tracker.log_candidate(sweep, records[0], tmp_path)
        assert tracker.register_best(sweep, "better") == "1"
        tracker.log_candidate(sweep, records[3], tmp_path)
        assert tracker.register_best(sweep, "better") == "2"
    version = tracker._client.get_model_version_by_alias("better", "recommended")
    assert (str(version.version), version.tags["candidate"]) == ("2", records[3].candidate.name)


def test_without_a_name_or_a_recommendation_nothing_is_registered(tracker, said, tmp_path) -> None:
    with tracker.sweep(*SWEEP) as sweep:
        tracker.log_candidate(sweep, as_failed(make_records(1)[0]), tmp_path)
    assert tracker.register_best(sweep, None) is None
    assert said == []
    assert tracker.register_best(sweep, "nothing") is None
    assert said == ["nothing is registered as nothing: no variant of sweep mine is recommended"]
    assert "nothing" not in {model.name for model in tracker._client.search_registered_models()}


def test_a_name_the_registry_refuses_is_one_line(tracker, tmp_path) -> None:
    with tracker.sweep(*SWEEP) as sweep:
        tracker.log_candidate(sweep, with_files(make_records(1), tmp_path)[0], tmp_path)
    with pytest.raises(TrackingError, match=r"^[^\n]+$"):
        tracker.register_best(sweep, "a/b")


def test_a_candidate_that_was_given_up_is_finished_with_its_curves(tracker, tmp_path) -> None:
    pruned = as_pruned(make_records(1)[0], epochs=3)
    with tracker.sweep(*SWEEP) as sweep:
        run_id = tracker.log_candidate(sweep, pruned, tmp_path)
    run = tracker._client.get_run(run_id)
    assert (run.info.status, run.data.tags["status"]) == ("FINISHED", "pruned")
    assert [point.step for point in tracker._client.get_metric_history(run_id, "train_loss")] == [1, 2, 3]
    assert tracker._runs.search(f"tags.mlflow.parentRunId = '{run_id}'") == []
    assert records_of(tracker, sweep) == {pruned.key: pruned}
    (info,) = tracker.load_sweeps()
    assert tracker.count_candidates(info) == {"pruned": 1}
