"""Opening an MLflow store: what is made, what is left alone, and what is refused with the way out."""

import socket

import pytest

from facerec_core.errors import OptionError, StorageError, TrackingError
from sweep.tracking import Tracker

SWEEP = ("demo", "python -m sweep multirun", {"width": "0.35"}, 1e-3, {"file_bytes": None})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("mlruns")


def test_opening_says_nothing_and_writes_only_below_the_root(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    tracker = Tracker.open(tmp_path / "new #1 é" / "mlruns", None, "faces")
    with tracker.sweep(*SWEEP):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["new #1 é"]
    assert {path.name for path in (tmp_path / "new #1 é" / "mlruns").iterdir()} == {
        "mlflow.db",
        "mlflow.db.lock",
        "artifacts",
    }
    assert capfd.readouterr() == ("", "")


def test_a_leftover_file_store_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("name: Default")
    with pytest.raises(TrackingError, match=r"mlruns/0/meta.yaml: got an old MLflow file store") as refused:
        Tracker.open(tmp_path / "mlruns", None, "faces")
    assert "mlflow migrate-filestore" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert [path.name for path in (tmp_path / "mlruns").iterdir()] == ["0"]


def test_reading_makes_no_store(tmp_path):
    with pytest.raises(TrackingError, match=r"got no mlflow.db there"):
        Tracker.open(tmp_path / "mlruns", None, "faces", create=False)
    assert list(tmp_path.iterdir()) == []


def test_reading_makes_no_experiment(root):
    Tracker.open(root, None, "there")
    with pytest.raises(TrackingError, match="got no experiment 'elsewhere'"):
        Tracker.open(root, None, "elsewhere", create=False)


def test_a_deleted_experiment_is_refused(root):
    tracker = Tracker.open(root, None, "doomed")
    tracker._client.delete_experiment(tracker.experiment_id)
    with pytest.raises(TrackingError, match="mlflow experiments restore"):
        Tracker.open(root, None, "doomed")


def test_a_root_that_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "mlruns"):
        with pytest.raises(StorageError, match=r"paths\.root=FOLDER"):
            Tracker.open(root, None, "faces")
    with pytest.raises(OptionError, match=r"paths\.root: got .*50%"):
        Tracker.open(tmp_path / "50%", None, "faces")


def test_a_database_that_is_none_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database, " * 1000)
    with pytest.raises(TrackingError, match="file is not a database"):
        Tracker.open(tmp_path, None, "faces")


@pytest.mark.parametrize("uri", ["http://127.0.0.1:{port}", "postgres://x", "gopher://x", "file:///tmp/x"])
def test_an_address_that_does_not_answer_or_is_none_is_refused(tmp_path, uri):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = uri.format(port=unused.getsockname()[1])
        with pytest.raises(TrackingError, match=r"^[^\n]*tracking\.uri[^\n]*$"):
            Tracker.open(tmp_path, uri, "faces")
