"""`tracking.uri=http://…`: a real MLflow server that keeps runs and artifacts, written to and read from over HTTP."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from sweep.tracking import Tracker
from tests.records import make_records
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store = tmp_path / "server"
    store.mkdir()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{store}/server.db", "--artifacts-destination", str(store / "artifacts")),
    ]
    quiet = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (store / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=quiet, start_new_session=True)
    try:
        wait_until_it_answers(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def wait_until_it_answers(port):
    for _ in range(240):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.5)
        finally:
            connection.close()
    raise AssertionError("the server did not start within two minutes")


def test_a_server_keeps_records_files_and_models(server, tmp_path):
    (record,) = make_records(1)
    stages = tmp_path / "stages"
    for variant in record.variants:
        path = stages / variant.file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mean_colour_tflite(record.candidate.resolution))
    tracker = Tracker.open(tmp_path / "unused", server, "faces")
    with tracker.sweep("remote", "python -m sweep run", {"board": "stm32f746"}, 1e-3, {"latency_ms": 500}) as run_id:
        tracker.log_candidate(run_id, record, stages, {"qat_int8": b"picture"})

    (sweep,) = Tracker.open(tmp_path / "unused", server, "faces", create=False).find_sweeps("latest")
    assert (sweep.name, sweep.status, sweep.limits) == ("remote", "FINISHED", {"latency_ms": 500})
    assert tracker.load_records(sweep) == [record]
    assert not (tmp_path / "unused").exists(), "with a server, nothing is written beside it"

    run = tracker.best_variant_runs(sweep)[0]
    command = [sys.executable, "-W", "ignore", "-c", LOAD, run, str(record.candidate.resolution)]
    loaded = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"MLFLOW_TRACKING_URI": server})
    assert loaded.returncode == 0, loaded.stderr
    lengths = np.array(json.loads(loaded.stdout))
    np.testing.assert_allclose(lengths, [1.0, 1.0], atol=1e-5)
