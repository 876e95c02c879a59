import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facerec_core import pipeline, quantize
from facerec_core.arch import candidate_layers
from facerec_core.data.loader import load_faces
from facerec_core.errors import QuantizationError, TrainingError
from facerec_core.pipeline import StageError, forget, is_finished, run_task
from facerec_core.quantize import Converted
from facerec_core.task import Task
from facerec_core.types import SCHEMES, Candidate
from tests.core.conftest import silent
from tests.recipes import changed, tiny_recipe

pytestmark = pytest.mark.slow
LAYERS = candidate_layers(Candidate(0.35, 96, 64))
RECIPE = tiny_recipe(quant__qat__calibration_batches=2)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One candidate that went all the way, its outcome and its signs of life."""
    root = tmp_path_factory.mktemp("root")
    fingerprint = load_faces(RECIPE.data, 96, root / "cache", silent, folds=RECIPE.eval.folds).fingerprint
    task = Task(Candidate(0.35, 96, 64), RECIPE, fingerprint, str(root / "stages"), str(root / "cache"), threads=1)
    events = []
    return task, run_task(task, events.append), events


@pytest.fixture
def task(finished, tmp_path):
    """The finished task with stages of its own, to be taken apart."""
    shutil.copytree(finished[0].stages_dir, tmp_path / "stages")
    return dataclasses.replace(finished[0], stages_dir=str(tmp_path / "stages"))


def run(task):
    return run_task(task, lambda event: None)


def folder(task, stage):
    return Path(task.stages_dir) / f"{stage}-{task.stage_key(stage)}"


def built(task):
    return sorted(path.name for path in Path(task.stages_dir).iterdir())


def without(task, *stages):
    for stage in stages:
        shutil.rmtree(folder(task, stage))


def test_every_variant_is_evaluated_on_the_same_pairs_through_its_own_file(finished):
    task, outcome, _ = finished
    assert tuple(variant.scheme for variant in outcome.variants) == SCHEMES
    assert len({variant.file.sha256 for variant in outcome.variants}) == 3
    for variant in outcome.variants:
        assert (Path(task.stages_dir) / variant.file.path).stat().st_size == variant.file.size_bytes
        assert variant.file.embedding == 64
        assert variant.kernels == "fast"
        for split in ("validation", "test"):
            counts = [
                (getattr(one, split).split, getattr(one, split).genuine_pairs, getattr(one, split).impostor_pairs)
                for one in (variant, outcome.variants[0])
            ]
            assert counts[0] == counts[1]
            assert counts[0][0] == split


def test_the_layers_of_int8_files_are_compared_with_float32(finished):
    full, *int8 = finished[1].variants
    assert full.health is None
    for variant in int8:
        assert variant.health.images == RECIPE.eval.health_images
        assert [layer.layer for layer in variant.health.layers] == [layer.name for layer in LAYERS]
        assert not any(layer.fitted for layer in variant.health.layers)
    assert 10 < int8[0].health.fingerprint_db < 80


def test_int8_files_search_among_what_the_float_network_enrolled_also_where_that_was_judged_before(task, monkeypatch):
    seen, real = [], pipeline.judge

    def judge(embedded, faces, recipe, gallery=None):
        seen.append((embedded("test"), gallery))
        return real(embedded, faces, recipe, gallery)

    monkeypatch.setattr(pipeline, "judge", judge)
    without(task, "eval-float32", "eval-ptq_int8", "eval-qat_int8")
    run(task)
    without(task, "eval-ptq_int8")
    run(task)
    (enrolled, none), *int8 = seen
    assert none is None
    assert len(int8) == 3
    for fingerprints, gallery in int8:
        np.testing.assert_array_equal(gallery, enrolled)
        assert not np.array_equal(fingerprints, enrolled)


def test_the_test_threshold_is_the_one_chosen_on_validation(finished):
    for variant in finished[1].variants:
        assert variant.validation.threshold is not None
        assert variant.test.threshold == variant.validation.threshold


def test_curves_calibration_images_and_seconds_are_recorded(finished):
    outcome = finished[1]
    assert [point.phase for point in outcome.curves] == ["train", "qat"]
    assert len(set(outcome.calibration_images)) == 8
    assert all(name.startswith("train/") for name in outcome.calibration_images)
    assert set(outcome.stage_seconds) == set(finished[0].stages)
    assert outcome.data.train_images == 24
    assert outcome.warnings == ()


def test_every_stage_gives_signs_of_life_under_the_key_of_its_task(finished):
    task, _, events = finished
    assert {event.stage for event in events} >= set(finished[0].stages)
    assert {event.key for event in events} == {task.key}
    assert [event.stage for event in events if event.note == "finished"] == list(finished[0].stages)


def test_qat_keeps_what_verifies_better_through_the_file_by_the_rate_that_is_recorded(task):
    better = dataclasses.replace(task, recipe=changed(RECIPE, quant__qat__keep="best"))
    outcome = run(better)
    rates = [point.metrics["validation_tar"] for point in outcome.curves if point.phase == "qat"]
    assert len(rates) == 2
    assert outcome.variants[2].validation.realised_tar == max(rates)


def test_nothing_but_finished_stages_is_left(finished):
    assert built(finished[0]) == sorted(folder(finished[0], stage).name for stage in finished[0].stages)


def test_a_finished_candidate_is_read_back_equal_without_tensorflow(finished, tmp_path):
    import pickle

    task, outcome, _ = finished
    (tmp_path / "task").write_bytes(pickle.dumps(task))
    code = (
        "import pickle, sys; from pathlib import Path; from facerec_core.pipeline import is_finished, run_task\n"
        "task = pickle.loads(Path(sys.argv[1]).read_bytes()); assert is_finished(task)\n"
        "outcome = run_task(task, lambda event: None)\n"
        "assert not {'tensorflow', 'tf_keras'} & set(sys.modules)\n"
        "Path(sys.argv[2]).write_bytes(pickle.dumps(outcome))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "task"), str(tmp_path / "outcome")], check=True)
    assert pickle.loads((tmp_path / "outcome").read_bytes()) == outcome  # noqa: S301 - written just above


def test_a_stage_that_fails_leaves_no_folder_and_the_next_start_goes_on_from_the_finished_ones(task, monkeypatch):
    without(task, "qat", "eval-qat_int8")
    before, kept = built(task), folder(task, "ptq") / "ptq_int8.tflite"

    def fails(*args):
        raise TrainingError("qat: the loss became nan")

    monkeypatch.setattr(quantize, "quantization_aware", fails)
    with pytest.raises(StageError) as caught:
        run(task)
    assert caught.value.stage == "qat"
    assert isinstance(caught.value.__cause__, TrainingError)
    assert built(task) == before
    assert not is_finished(task)

    monkeypatch.setattr(quantize, "quantization_aware", lambda *args: Converted(kept.read_bytes()))
    monkeypatch.setattr(pipeline, "_build_float", fails)
    outcome = run(task)
    assert is_finished(task)
    assert outcome.variants[2].file.sha256 == outcome.variants[1].file.sha256


def test_a_file_that_is_not_int8_throughout_fails_its_stage(task, monkeypatch):
    without(task, "qat", "eval-qat_int8")
    content = (folder(task, "float") / "float32.tflite").read_bytes()
    monkeypatch.setattr(quantize, "quantization_aware", lambda *args: Converted(content))
    with pytest.raises(StageError) as caught:
        run(task)
    assert isinstance(caught.value.__cause__, QuantizationError)
    assert "CONV_2D (FLOAT32)" in str(caught.value.__cause__)
    assert not folder(task, "qat").exists()


def test_training_from_scratch_is_warned_about(task, monkeypatch):
    content = (folder(task, "ptq") / "ptq_int8.tflite").read_bytes()
    monkeypatch.setattr(quantize, "quantization_aware", lambda *args: Converted(content))
    scratch = dataclasses.replace(task, recipe=changed(task.recipe, quant__qat__from_scratch=True))
    (warning,) = run(scratch).warnings
    assert "from_scratch" in warning


def test_the_devices_arithmetic_only_evaluates_anew(task, finished, monkeypatch):
    monkeypatch.setattr(pipeline, "_configure", None)  # nothing is trained or converted
    reference = run(dataclasses.replace(task, recipe=changed(task.recipe, eval__kernels="reference")))
    for one, other in zip(reference.variants, finished[1].variants, strict=True):
        assert one.kernels == "reference"
        assert one.file == other.file
        assert one.validation.auc == pytest.approx(other.validation.auc, abs=0.2)


def test_a_damaged_stage_and_what_came_from_it_are_built_again(task, finished):
    notes = folder(task, "eval-ptq_int8") / "evaluation.json"
    notes.write_text(notes.read_text()[:50])
    assert not is_finished(task)
    assert run(task).variants == finished[1].variants


def test_forgotten_stages_are_gone(task):
    forget(task)
    assert built(task) == []
    assert not is_finished(task)


def test_a_teacher_a_linear_layer_and_a_control_go_all_the_way(finished, tmp_path):
    plain = finished[0]
    faces = load_faces(RECIPE.data, 96, Path(plain.cache_dir), silent, folds=RECIPE.eval.folds).train
    vectors = np.random.default_rng(0).normal(size=(len(faces.names), 8)).astype(np.float32)
    np.savez(tmp_path / "teacher.npz", names=np.array(faces.names), embeddings=vectors)
    recipe = changed(
        RECIPE, train__teacher=str(tmp_path / "teacher.npz"), train__loss="none", quant__qat__control=True,
        quant__qat__equalize=True, quant__ptq__equalize=True, quant__qat__float_weight=1.0,
    )  # fmt: skip
    candidate = Candidate(0.35, 96, 8, 64)
    task = dataclasses.replace(plain, recipe=recipe, candidate=candidate, stages_dir=str(tmp_path / "stages"))
    outcome = run(task)
    assert [variant.scheme for variant in outcome.variants] == [*SCHEMES, "float32_control"]
    assert {variant.file.embedding for variant in outcome.variants} == {8}
    assert outcome.variants[1].file.operators["FULLY_CONNECTED"] == 1
    for variant in outcome.variants[1:3]:
        assert variant.health.layers[-1].layer == "fingerprint"
        assert [layer.layer for layer in variant.health.layers if layer.fitted][:2] == ["stem", "block1_expand"]
    assert [point.phase for point in outcome.curves] == ["train", "qat", "control"]
    assert all("accuracy" not in point.metrics for point in outcome.curves)
    assert is_finished(task)
    (tmp_path / "teacher.npz").rename(tmp_path / "moved.npz")
    moved = dataclasses.replace(task, recipe=changed(recipe, train__teacher=str(tmp_path / "moved.npz")))
    assert is_finished(moved)
