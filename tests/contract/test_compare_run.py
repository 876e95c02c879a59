"""`compare` out of a real MLflow store: run ids of sweeps, candidates and variants."""

from __future__ import annotations

import json
import shlex

import pytest

from facerec_core.types import Candidate
from sweep.cli import main
from tests.exports import Tracked, track, with_files
from tests.records import make_record
from tests.resampled import with_replicates
from tests.tiny_tflite import mean_colour_tflite

SCALES = {"float32": None, "ptq_int8": (0.0079, -3), "qat_int8": (0.0080, 2)}


def tracked(folder, sweep: str, width: float) -> Tracked:
    record = with_replicates(make_record(Candidate(width, 96, 448)))
    return track(folder, with_files(record, folder, lambda scheme: mean_colour_tflite(96, SCALES[scheme]), 3), sweep)


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory) -> tuple[Tracked, Tracked]:
    folder = tmp_path_factory.mktemp("tracked")
    return tracked(folder, "before", 0.5), tracked(folder, "after", 0.35)


@pytest.fixture
def typed(sweeps, capsys):
    def run(line: str) -> tuple[int, str, str]:
        status = main(["compare", *shlex.split(line), f"paths.root={sweeps[0].root}"])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_runs_of_a_candidate_and_of_a_variant(sweeps, typed) -> None:
    before, after = sweeps
    status, out, _ = typed(f"{before.runs['candidate']} {after.runs['ptq_int8']} --json")
    found = json.loads(out)
    assert status == 1
    assert [found[side]["variant"] for side in "ab"] == ["qat_int8", "ptq_int8"]
    assert [found[side]["sweep"] for side in "ab"] == ["before", "after"]
    assert found["paired"]
    status, _, err = typed(f"{before.runs['candidate']} {after.runs['ptq_int8']} --variant qat_int8")
    assert (status, err) == (2, "error: --variant: got 'qat_int8', allowed: ptq_int8, of which that run is\n")


def test_sweeps_by_name_and_by_default_the_latest_is_searched(typed) -> None:
    status, out, _ = typed("before after --variant float32")
    assert status == 1
    assert "A = 0.5@96-448 float of sweep before" in out
    assert typed("after before")[0] == 0
    assert "known: sweeps latest, after, before; candidates of after: " in typed("0.5@96-448 latest")[2]


def test_a_run_that_is_none(typed) -> None:
    status, out, err = typed(f"before {'0' * 32}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "0" * 32 in err
