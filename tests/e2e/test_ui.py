"""MLflow's interface: a real server started, asked and stopped."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from facerec_core.errors import OptionError, TrackingError
from sweep import ui
from sweep.schema import PathSettings
from sweep.tracking import Tracker
from tests.records import make_records
from tests.tiny_tflite import mean_colour_tflite

SERVE = (
    "import sys; from types import SimpleNamespace as N; "
    "from sweep.schema import PathSettings; from sweep.ui import serve; "
    "store = N(paths=PathSettings(root=sys.argv[1]), tracking=N(uri=None, experiment='faces')); "
    "sys.exit(serve(store, int(sys.argv[2])))"
)


def settings(root, uri=None):
    return SimpleNamespace(paths=PathSettings(str(root)), tracking=SimpleNamespace(uri=uri, experiment="faces"))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A store with one sweep of one candidate."""
    folder = tmp_path_factory.mktemp("mlruns")
    (record,) = make_records(1)
    for variant in record.variants:
        path = folder / "stages" / variant.file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mean_colour_tflite(96))
    tracker = Tracker.open(folder, None, "faces")
    with tracker.sweep("demo", "python -m sweep run", {}, 1e-3, {}) as sweep:
        tracker.log_candidate(sweep, record, folder / "stages")
    return folder


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(process, text):
    """Everything the process says up to the line that holds `text`."""
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(said)


def status_of(port, path, host="localhost"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Host": host})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.slow
def test_the_server_runs_on_this_machine_only_until_ctrl_c(root, port, tmp_path):
    command = [sys.executable, "-c", SERVE, str(root), str(port)]
    path = os.environ | {"PYTHONPATH": str(Path(ui.__file__).parents[1])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=path)
    try:
        said = wait_for(process, "Press Ctrl-C")
        base = f"http://127.0.0.1:{port}"
        assert re.search(rf"^Best, compared: +{re.escape(base)}/#/compare-runs\?runs=", said, re.MULTILINE)
        assert status_of(port, "/") == 200
        assert status_of(port, "/", host="elsewhere.example") == 403, "a page elsewhere cannot reach in by a host name"
        server = Tracker.open(tmp_path / "unused", base, "faces", create=False)
        (sweep,) = server.find_sweeps("demo")
        assert server.load_records(sweep) == list(make_records(1)), "a server's records are those of the store"
        assert all(run in said for candidate in server.views(sweep).best for run in candidate.runs)
        with pytest.raises(OSError, match=r"refused|unreachable"):
            socket.create_connection(("127.0.0.2", port), timeout=5)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_refused_with_the_flag_to_change(root):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(OptionError, match=rf"^--port: got {number}, allowed: a free port .*; choose another"):
            ui.serve(settings(root), number)


@pytest.mark.parametrize("number", [-1, 0, 65536])
def test_a_port_out_of_range_is_refused(root, number):
    with pytest.raises(OptionError, match="1 to 65535"):
        ui.serve(settings(root), number)


def test_nothing_to_show_is_said_before_a_server_starts(tmp_path, port):
    with pytest.raises(TrackingError, match="run `python -m sweep multirun` first"):
        ui.serve(settings(tmp_path / "none"), port)
    assert list(tmp_path.iterdir()) == []


def test_addresses_survive_being_pasted(root):
    tracker = Tracker.open(root, None, "faces", create=False)
    lines = ui.addresses(tracker, "http://127.0.0.1:5000")
    assert [line.split(":")[0] for line in lines] == [
        *("All sweeps", "Latest sweep", "Report", "Best, compared", "ROC curves", "Variants of 0.35@96-448"),
    ]
    assert lines.pop(2).endswith(" none yet; write it with `python -m sweep report sweep=demo`")
    for line in lines:
        assert re.fullmatch(r"http://127\.0\.0\.1:5000/#/[\w/?=&%.,:\-]+", line.split(maxsplit=2)[-1].split()[-1])


def test_a_server_that_dies_is_reported_with_its_last_words(root, port, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(TrackingError, match="MLflow's server ended with status 1, its last words: no output"):
        ui.serve(settings(root), port)
