"""`tracking.uri=http://…`: a real MLflow server that keeps runs and artifacts, written to and read from over HTTP."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from sweep.reporting import report
from sweep.tracking import Tracker
from tests.mlflow_server import MlflowServer
from tests.records import make_records
from tests.settings import settings
from tests.shown import shown_records
from tests.tiny_tflite import mean_colour_tflite

pytestmark = pytest.mark.slow

# In a process of its own, as a user would: MLflow's address is global, and other tests set it.
LOAD = """
import json, sys
import mlflow, numpy as np
model = mlflow.pyfunc.load_model(f"runs:/{sys.argv[1]}/model")
side = int(sys.argv[2])
fingerprints = model.predict(np.full((2, side, side, 3), 200, np.uint8))
print(json.dumps(np.linalg.norm(fingerprints, axis=1).tolist()))
"""


@pytest.fixture
def server(tmp_path):
    running = MlflowServer(tmp_path / "server")
    running.start()
    yield running.uri
    running.stop()


def test_a_server_keeps_records_files_and_models(server, tmp_path):
    (record,) = make_records(1)
    stages = tmp_path / "stages"
    for variant in record.variants:
        path = stages / variant.file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mean_colour_tflite(record.candidate.resolution))
    tracker = Tracker.open(tmp_path / "unused", server, "faces")
    with tracker.sweep("remote", "python -m sweep run", {"board": "stm32f746"}, 1e-3, {"latency_ms": 500}) as run_id:
        tracker.log_candidate(run_id, record, stages, {"roc.svg": b"picture"})

    (sweep,) = Tracker.open(tmp_path / "unused", server, "faces", create=False).find_sweeps("latest")
    assert (sweep.name, sweep.status, sweep.limits) == ("remote", "FINISHED", {"latency_ms": 500})
    assert tracker.load_records(sweep) == [record]
    assert list((tmp_path / "unused").iterdir()) == [], "with a server, nothing is left beside it"
    assert tracker.register_best(run_id, "fingerprints") == "1"
    assert tracker._client.get_model_version_by_alias("fingerprints", "recommended").tags["sweep"] == "remote"

    run = tracker.views(sweep).best[0].runs[0]
    command = [sys.executable, "-W", "ignore", "-c", LOAD, run, str(record.candidate.resolution)]
    loaded = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"MLFLOW_TRACKING_URI": server})
    assert loaded.returncode == 0, loaded.stderr
    lengths = np.array(json.loads(loaded.stdout))
    np.testing.assert_allclose(lengths, [1.0, 1.0], atol=1e-5)


def test_a_report_is_written_from_a_server_alone_also_while_the_sweep_runs(server, tmp_path):
    first, second = shown_records(2)
    stages = tmp_path / "stages"
    for variant in (*first.variants, *second.variants):
        path = stages / variant.file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mean_colour_tflite(96))
    (chosen,) = settings(f"paths.root={tmp_path / 'elsewhere'}", f"tracking.uri={server}", "tracking.experiment=faces")
    folder = tmp_path / "elsewhere" / "reports" / "remote"
    tracker = Tracker.open(tmp_path / "unused", server, "faces")
    with tracker.sweep("remote", "python -m sweep multirun", {}, 1e-3, {"latency_ms": 500}) as run_id:
        tracker.log_candidate(run_id, first, stages)
        assert report(chosen) == 0
        running = (folder / "report.html").read_text()
        assert "The sweep is still running" in running
        tracker.log_candidate(run_id, second, stages)
    assert report(chosen) == 0
    finished = (folder / "report.html").read_text()
    assert "The sweep is still running" not in finished
    for page, there in ((running, 1), (finished, 2)):
        assert f"{there} complete" in page
        assert server in page
        assert "float gallery" in page, "also what a server keeps of the searches"
    assert not (tmp_path / "unused").exists() or list((tmp_path / "unused").iterdir()) == []
