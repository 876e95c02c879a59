"""Two drivers on one sweep, in a real MLflow store: refused, joined, or warned of; never a candidate twice."""

import os
import socket
from dataclasses import replace

import psutil
import pytest

from facerec_core.errors import TrackingError
from sweep.owner import Owner
from sweep.patience import Patience
from sweep.tracking import Tracker
from tests.records import as_failed, make_records

SWEEP = ("demo", "python -m sweep multirun width=0.35,0.5", {"width": "0.35,0.5"}, 1e-3, {"parameter_bytes": 1_000_000})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("mlruns")


@pytest.fixture
def tracker(root, request):
    """An experiment of its own in the shared store, whose creation takes seconds."""
    return Tracker.open(root, None, request.node.name)


def as_owner(monkeypatch, host, pid):
    """Sweeps that are started from here on belong to that process; returns it to this one."""
    owner = Owner(host, pid, psutil.Process(pid).create_time())
    monkeypatch.setattr(Owner, "here", classmethod(lambda cls: owner))


def test_a_sweep_that_another_living_process_carries_through_is_refused_unless_joined(tracker, monkeypatch):
    with monkeypatch.context() as elsewhere:
        as_owner(elsewhere, socket.gethostname(), os.getppid())
        run_id = tracker.start_sweep(*SWEEP)
    with pytest.raises(TrackingError, match=rf"carried through by process {os.getppid()} on .*sweep=NAME"):
        tracker.start_sweep(*SWEEP)
    assert tracker._client.get_run(run_id).data.tags["pid"] == str(os.getppid())
    assert tracker.start_sweep(*SWEEP, joins=True) == run_id


def test_a_sweep_that_another_machine_left_running_goes_on_with_a_warning(tracker, monkeypatch):
    said = []
    tracker._patience = Patience(0, said.append)
    with monkeypatch.context() as elsewhere:
        as_owner(elsewhere, "another", os.getppid())
        run_id = tracker.start_sweep(*SWEEP)
    assert tracker.start_sweep(*SWEEP) == run_id
    assert said == ["warning: sweep demo was left RUNNING on another; should it still run there, both do the same work"]


def test_what_another_driver_has_written_to_a_server_meanwhile_is_replaced(tracker, tmp_path, monkeypatch):
    record = as_failed(make_records(3)[2])
    monkeypatch.setattr("sweep.tracking.is_server", lambda uri: True)
    with tracker.sweep(*SWEEP) as sweep:
        tracker.log_candidate(sweep, record, tmp_path)
        tracker._held[sweep].runs.clear()  # as if somebody else had written it
        tracker.log_candidate(sweep, replace(record, ended_unix=record.ended_unix + 1), tmp_path)
        names = [run.info.run_name for run in tracker._runs.search(f"tags.mlflow.parentRunId = '{sweep}'")]
    assert len(names) == len(set(names)) == 1
