"""A tracker that cannot be written for a while: waited for, and nothing is lost when that is not enough."""

import sqlite3
import threading
import time
from contextlib import contextmanager

import psutil
import pytest

from facerec_core.errors import StorageError, TrackingError
from sweep import beat, tracking_write
from sweep.owner import Owner
from sweep.patience import Patience
from sweep.tracking import Tracker
from tests.mlflow_server import MlflowServer
from tests.records import make_records
from tests.sweeps import records_of
from tests.tiny_tflite import mean_colour_tflite

SWEEP = ("mine", "python -m sweep multirun", {"board": "stm32f746"}, 1e-3, {"latency_ms": 500})
GONE = Owner(Owner.here().host, 2**22 + 1, 1.0)
"""No process has that number."""


@pytest.fixture
def root(tmp_path):
    return tmp_path / "mlruns"


@pytest.fixture
def record(root):
    """A complete candidate, whose files lie in root/stages."""
    (made,) = make_records(1)
    for variant in made.variants:
        path = root / "stages" / variant.file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mean_colour_tflite(made.candidate.resolution))
    return made


@contextmanager
def locked(database):
    """Another connection holds the database for itself."""
    with sqlite3.connect(database, check_same_thread=False) as other:
        other.execute("BEGIN EXCLUSIVE")
        try:
            yield other
        finally:
            other.rollback()
    other.close()


def started(root, said, *, seconds=60.0, uri=None):
    return Tracker.open(root, uri, "faces", patience=Patience(seconds, said.append))


def unsent_files(root):
    return sorted(path.relative_to(root) for path in root.glob("unsent/**/*.json"))


@pytest.mark.slow
def test_a_locked_database_is_waited_for_and_a_record_that_was_not_sent_is_sent_by_the_next_sweep(root, record) -> None:
    said = []
    tracker = started(root, said, seconds=1)
    sweep = tracker.start_sweep(*SWEEP)
    tracker.log_candidate(sweep, make_records(30)[-1], root / "stages")  # so that what is held is known
    with locked(root / "mlflow.db"), pytest.raises(TrackingError) as raised:  # MLflow itself waits for 20 seconds
        tracker.log_candidate(sweep, record, root / "stages")
    assert "database is locked" in str(raised.value)
    assert "tracking.patience_s" in str(raised.value)
    assert unsent_files(root)[0].parts == ("unsent", "mine", f"{record.key}.json")
    assert str(unsent_files(root)[0]) in str(raised.value)

    said.clear()
    with started(root, said).sweep("another", "command", {}, 1e-3, {}):
        pass
    assert "sent 1 record(s) that the tracker could not take earlier" in said
    assert records_of(tracker, sweep)[record.key] == record
    assert not (root / "unsent").exists()


@pytest.mark.slow
def test_a_database_that_is_free_again_gets_the_record(root, record) -> None:
    said = []
    tracker = started(root, said, seconds=90)
    sweep = tracker.start_sweep(*SWEEP)
    with sqlite3.connect(root / "mlflow.db", check_same_thread=False) as other:
        other.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(22, other.rollback)  # MLflow itself gives up after 20
        release.start()
        tracker.log_candidate(sweep, record, root / "stages")
        release.join()
    other.close()
    assert said[0].startswith("waiting up to 90 s for the tracker: sqlite://")
    assert said[1].startswith("the tracker answers again")
    assert records_of(tracker, sweep) == {record.key: record}
    assert unsent_files(root) == []


def test_a_disk_that_is_full_for_a_moment_delays_a_record(root, record, monkeypatch) -> None:
    attempts, save_model = [], tracking_write.save_model

    def full_once(*arguments):
        attempts.append(arguments)
        if len(attempts) == 2:
            raise OSError(28, "No space left on device")
        save_model(*arguments)

    monkeypatch.setattr(tracking_write, "save_model", full_once)
    said = []
    tracker = started(root, said)
    with tracker.sweep(*SWEEP) as sweep:
        run_id = tracker.log_candidate(sweep, record, root / "stages")
    assert "No space left" in said[0]
    below = tracker._runs.search(f"tags.mlflow.parentRunId = '{run_id}'")
    assert len(below) == 3
    assert len(tracker._runs.search("tags.level = 'candidate'")) == 1, "the half-written one is gone"
    assert {run.info.status for run in tracker._runs.search("attributes.status != ''")} == {"FINISHED"}


def test_a_refused_record_is_not_kept_for_another_start(root, record) -> None:
    (root / "stages" / record.variants[0].file.path).unlink()
    tracker = started(root, [])
    with pytest.raises(StorageError, match="the float32 file is missing"), tracker.sweep(*SWEEP) as sweep:
        tracker.log_candidate(sweep, record, root / "stages")
    assert unsent_files(root) == []


def left_behind(tracker, root, record, owner):
    """A sweep and an unsent record as a process leaves them that is killed while it sends."""
    sweep = tracker.start_sweep(*SWEEP)
    tracker._runs.log(sweep, tags=owner.tags())
    below = tracker._client.create_run(tracker.experiment_id, tags={"sweep_run_id": sweep, "level": "candidate"})
    path = tracker._outbox.put("mine", sweep, record, root / "stages")
    return sweep, below.info.run_id, path


def test_what_a_killed_process_left_is_closed_and_sent(root, record) -> None:
    said = []
    tracker = started(root, said)
    sweep, below, path = left_behind(tracker, root, record, GONE)
    with started(root, said).sweep("another", "command", {}, 1e-3, {}):
        assert tracker._client.get_run(sweep).info.status == "KILLED"
        assert tracker._client.get_run(below).info.status == "KILLED"
    assert not path.exists()
    assert said == [
        "sweep mine was left RUNNING by a process that is gone; it is closed as KILLED",
        "sent 1 record(s) that the tracker could not take earlier",
    ]
    assert records_of(tracker, sweep) == {record.key: record}


@pytest.mark.parametrize("content", [b"{}", b"{", b"\xff"])
def test_a_record_that_cannot_be_read_is_named_and_stops_nothing(root, record, content) -> None:
    said = []
    tracker = started(root, said)
    *_, path = left_behind(tracker, root, record, GONE)
    broken = path.with_name("broken.json")
    broken.write_bytes(content)
    with started(root, said).sweep("another", "command", {}, 1e-3, {}):
        assert not path.exists(), "the other one is sent"
    assert [line for line in said if line.startswith(f"{broken} cannot be sent and stays there")]
    assert broken.exists()


@pytest.mark.parametrize(
    "owner",
    [Owner("another machine", 1, 1.0), Owner(Owner.here().host, 1, psutil.Process(1).create_time())],
    ids=["another machine", "another process"],
)
def test_a_sweep_that_may_be_running_is_left_alone(root, record, owner) -> None:
    tracker = started(root, [])
    sweep, below, path = left_behind(tracker, root, record, owner)
    with tracker.sweep("another", "command", {}, 1e-3, {}):
        assert tracker._client.get_run(sweep).info.status == "RUNNING"
        assert tracker._client.get_run(below).info.status == "RUNNING"
    assert path.exists() == (owner.lives() is True), "a machine that cannot be asked has not sent it"


def test_a_record_that_cannot_be_sent_stays_and_lets_the_others_go(root, record) -> None:
    said = []
    tracker = started(root, said)
    _, _, path = left_behind(tracker, root, record, GONE)
    (root / "stages" / record.variants[0].file.path).unlink()
    with tracker.sweep("another", "command", {}, 1e-3, {}):
        pass
    assert path.exists()
    assert f"{path} could not be sent and stays there" in said[-1]


@pytest.mark.slow
def test_a_server_that_goes_away_and_comes_back_loses_nothing(root, record, tmp_path) -> None:
    server, said = MlflowServer(tmp_path / "server"), []
    server.start()
    back = threading.Thread(target=server.start)
    try:
        tracker = started(root, said, seconds=180, uri=server.uri)
        with tracker.sweep(*SWEEP) as sweep:
            server.stop()
            back.start()
            tracker.log_candidate(sweep, record, root / "stages")
        assert said[0].startswith("waiting up to 180 s for the tracker: http://127.0.0.1")
        assert said[1].startswith("the tracker answers again")
        assert records_of(tracker, sweep) == {record.key: record}
        statuses = {run.info.status for run in tracker._runs.search("attributes.status != ''")}
        assert statuses == {"FINISHED"}
    finally:
        if back.ident:
            back.join()
        server.stop()


@pytest.mark.slow
def test_a_sweep_that_another_machine_carries_through_is_refused_until_it_falls_silent(
    root, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(beat, "BEAT_SECONDS", 0.3)
    monkeypatch.setattr(beat, "WATCH_SECONDS", 3.0)
    server, said = MlflowServer(tmp_path / "server"), []
    server.start()
    try:
        there, here = started(root / "there", [], uri=server.uri), started(root / "here", said, uri=server.uri)
        with there.sweep(*SWEEP) as sweep:
            there._runs.log(sweep, tags=Owner("another machine", 1, 1.0).tags())
            with pytest.raises(TrackingError, match="carried through by process 1 on another machine"):
                here.start_sweep(*SWEEP)
            assert said == ["sweep mine was left RUNNING on another machine; listening for 30 s whether it runs there"]
        there._client.update_run(sweep, status="RUNNING")  # as a machine leaves it that lost its power
        assert here.start_sweep(*SWEEP) == sweep
    finally:
        server.stop()


def test_signs_of_life_that_cannot_be_left_are_no_error_and_end_with_the_block(monkeypatch) -> None:
    monkeypatch.setattr(beat, "BEAT_SECONDS", 0.01)
    left = []

    def failing(text):
        left.append(text)
        raise TrackingError("the tracker is away")

    with beat.beating(failing):
        while len(left) < 3:
            time.sleep(0.005)
    ended = len(left)
    time.sleep(0.05)
    assert len(left) == ended
    assert len(set(left)) == ended
