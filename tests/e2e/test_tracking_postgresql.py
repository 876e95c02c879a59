"""`mlflow server` on a real PostgreSQL database, written to by two sweeps at once."""

import pytest

from sweep.tracking import Tracker
from tests.cli import TINY, start, wait_for
from tests.mlflow_server import MlflowServer
from tests.postgresql import needs_postgresql
from tests.postgresql import server as postgresql
from tests.records import make_records
from tests.tiny_tflite import mean_colour_tflite

pytestmark = [pytest.mark.slow, needs_postgresql]
NAMES = ("one", "two")


@pytest.fixture
def database():
    with postgresql() as database:
        yield database


@pytest.fixture
def server(database, tmp_path):
    server = MlflowServer(tmp_path / "server", database)
    server.start()
    yield server.uri
    server.stop()


def test_two_sweeps_at_once_keep_apart_and_lose_nothing(server, database, tmp_path) -> None:
    processes = []
    for name in NAMES:
        folder = tmp_path / name
        folder.mkdir()
        where = (f"tracking.uri={server}", f"sweep={name}")
        log = folder / "log.txt"
        processes.append((start("multirun", *TINY, "width=0.75,1.0,1.3,1.4", *where, cwd=folder, log=log), log))
    for process, log in processes:
        wait_for(lambda process=process: process.poll() is not None, "the end")
        assert process.returncode == 0, log.read_text()
    tracker = Tracker.open(tmp_path / "unused", server, "facerec-sweep", create=False)
    for name in NAMES:
        (sweep,) = tracker.find_sweeps(name)
        assert sweep.status == "FINISHED"
        found = tracker.load_records(sweep)
        assert [(record.candidate.width, record.status) for record in found] == [
            (width, "infeasible") for width in (0.75, 1.0, 1.3, 1.4)
        ]

    (record,) = make_records(1)
    for variant in record.variants:
        path = tmp_path / "stages" / variant.file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mean_colour_tflite(record.candidate.resolution))
    with tracker.sweep("whole", "command", {"board": "stm32f746"}, 1e-3, {}) as run_id:
        tracker.log_candidate(run_id, record, tmp_path / "stages")
    assert tracker.load_records(tracker.find_sweeps("whole")[0]) == [record]

    def listed(address):
        runs = Tracker.open(tmp_path / "direct", address, "facerec-sweep", create=False)._runs
        return runs.tagged(sweep="one"), runs.tagged(sweep="one", level="candidate", status="infeasible")

    assert [len(found) for found in listed(database)] == [5, 4]
    assert listed(database) == listed(server), "whoever asks the database itself is told what its server tells"
