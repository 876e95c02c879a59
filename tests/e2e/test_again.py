"""A finished sweep that is started again asks the tracker, and neither trains nor imports what trains."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from facerec_core.pipeline import Outcome
from sweep import scheduler
from sweep.executors.carrying import Finished
from sweep.runner import run_sweep
from sweep.schema import Invocation
from tests.cli import TINY, run_python
from tests.records import make_curves, make_data, make_record
from tests.settings import composer
from tests.tiny_tflite import mean_colour_tflite

pytestmark = pytest.mark.slow

SWEEP = (*TINY, "width=0.35,0.5", "res=96,128", "embedding=scaled,128", "seed=0,1,2", "budget=none")
AGAIN = """
import sys
from sweep.cli import main
status = main(sys.argv[1:])
heavy = [name for name in ("tensorflow", "tf_keras", "ai_edge_litert", "matplotlib") if name in sys.modules]
print(status, heavy)
"""


def played(task, emit):
    """An outcome that was made up, with a file for each variant."""
    found = make_record(task.candidate, limited=False)
    variants = tuple(
        replace(one, file=replace(one.file, path=f"{one.scheme}-{task.key}/{one.scheme}.tflite"))
        for one in found.variants
    )
    for variant in variants:
        path = Path(task.stages_dir) / variant.file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mean_colour_tflite(task.candidate.resolution))
    outcome = Outcome(make_data(), variants, make_curves(0.5), ("a.jpg",), {"float": 60.0})
    return Finished(task, time.time(), time.time(), outcome, None)


def test_a_finished_sweep_ends_at_once(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as training:
        training.setattr(scheduler, "is_finished", lambda task: True)
        training.setattr(scheduler, "carry_through", played)
        assert run_sweep(composer().many(SWEEP), Invocation("multirun", "command")) == 0
    again = run_python(AGAIN, "multirun", *SWEEP, cwd=tmp_path)
    assert again.stdout == "0 []\n", again.stderr
    assert again.stderr.count("known from an earlier start") >= 16
