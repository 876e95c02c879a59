"""A task that was killed or given up goes on after its last epoch."""

import dataclasses
import hashlib
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from facerec_core import pipeline
from facerec_core.data.loader import load_faces
from facerec_core.pipeline import Pruned, StageError, forget, run_task
from facerec_core.stages import StageStore
from facerec_core.task import Task
from facerec_core.types import Candidate
from tests.cli import environment
from tests.core.conftest import silent
from tests.recipes import changed, tiny_recipe

pytestmark = pytest.mark.slow
RECIPE = tiny_recipe(train__epochs=3, train__augment__flip=True, quant__qat__epochs=0, target_far=0.5)
RUN = """
import pickle, sys
from pathlib import Path
from facerec_core.pipeline import run_task

def emit(event):
    if event.epoch:
        print(event.epoch, flush=True)

run_task(pickle.loads(Path(sys.argv[1]).read_bytes()), emit)
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A task whose float stage was trained in one go, and the signs of life of it."""
    task, events = make_task(tmp_path_factory.mktemp("undisturbed")), []
    run_to_float(task, events.append)
    return task, events


def make_task(root, recipe=RECIPE):
    fingerprint = load_faces(recipe.data, 96, root / "cache", silent, folds=recipe.eval.folds).fingerprint
    return Task(Candidate(0.35, 96, 16), recipe, fingerprint, str(root / "stages"), str(root / "cache"), threads=1)


class FloatIsDoneError(Exception):
    """Ends a task after its float stage, to save time."""


def stop(run, folder):
    raise FloatIsDoneError


def run_to_float(task, emit=lambda event: None, stopped=pipeline.never):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "BUILDERS", {**pipeline.BUILDERS, "ptq": stop})
        with pytest.raises(StageError) as caught:
            run_task(task, emit, stopped)
    assert isinstance(caught.value.__cause__, FloatIsDoneError), caught.value.__cause__


def weights(task):
    folder = StageStore(Path(task.stages_dir)).folder("float", task.float_key)
    return hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()


def checkpoint(task):
    return StageStore(Path(task.stages_dir)).checkpoint("float", task.float_key)


def float_curves(task):
    run = pipeline._Run(task, StageStore(Path(task.stages_dir)), lambda event: None)
    return run.notes("float").curves


def test_every_epoch_is_told_by_its_number(undisturbed):
    assert [event.epoch for event in undisturbed[1] if event.epoch] == [1, 2, 3]
    assert all(event.value is None for event in undisturbed[1])


def test_a_process_killed_in_the_middle_goes_on_to_the_same_bits(undisturbed, tmp_path):
    task = make_task(tmp_path)
    (tmp_path / "task").write_bytes(pickle.dumps(task))
    command = [sys.executable, "-c", RUN, str(tmp_path / "task")]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "1\n"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert checkpoint(task).exists()
    StageStore(Path(task.stages_dir)).clear_leftovers()
    assert checkpoint(task).exists()
    said = []
    run_to_float(task, said.append)
    assert [event.note for event in said if event.note.startswith("going on after epoch")]
    assert weights(task) == weights(undisturbed[0])
    assert float_curves(task) == float_curves(undisturbed[0])
    assert not checkpoint(task).exists()


def test_a_pruned_task_keeps_its_curves_and_can_be_gone_on_with(undisturbed, tmp_path):
    task = make_task(tmp_path, changed(RECIPE, train__validate_epochs=1))
    assert task.float_key == undisturbed[0].float_key
    events = []

    def stopped():
        return any(event.epoch == 2 for event in events)

    with pytest.raises(Pruned) as caught:
        run_task(task, events.append, stopped)
    assert [point.epoch for point in caught.value.curves] == [1, 2]
    values = [event.value for event in events if event.epoch]
    assert values == [point.metrics["validation_tar"] for point in caught.value.curves]
    assert all(0 <= value <= 1 for value in values)
    assert [path.name for path in Path(task.stages_dir).iterdir()] == [checkpoint(task).name]
    run_to_float(task)
    assert weights(task) == weights(undisturbed[0])


def test_a_rate_that_the_validation_pairs_cannot_resolve_is_no_value(tmp_path):
    task = make_task(tmp_path, changed(RECIPE, train__validate_epochs=1, target_far=1e-5))
    events = []
    with pytest.raises(Pruned) as caught:
        run_task(task, events.append, lambda: True)
    assert [(event.epoch, event.value) for event in events if event.epoch] == [(1, None)]
    assert set(caught.value.curves[0].metrics) == {"loss", "accuracy"}
    forget(task)
    assert list(Path(task.stages_dir).iterdir()) == []


def test_the_first_epochs_are_trained_at_a_lower_resolution(tmp_path, monkeypatch):
    task = make_task(tmp_path, changed(RECIPE, train__progressive=0.4))
    sides = []
    kept = pipeline.load_faces

    def load(data, side, *args, **kwargs):
        sides.append(side)
        return kept(data, side, *args, **kwargs)

    monkeypatch.setattr(pipeline, "load_faces", load)
    with pytest.raises(Pruned):
        run_task(task, lambda event: None, lambda: True)
    assert sorted(set(sides)) == [64, 96]
    assert task.float_key != dataclasses.replace(task, recipe=RECIPE).float_key
