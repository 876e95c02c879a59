"""Dask workers that share no results folder with the driver: stages travel through a real MLflow server."""

import json
import os
import signal

import psutil
import pytest

from facerec_core.errors import OptionError, StorageError, UsageError
from facerec_core.stages import StageStore
from sweep.executors import Site
from sweep.executors.cluster import open_cluster
from sweep.executors.cluster_worker import BUSY_SECONDS
from sweep.executors.transfer import ArtifactStages
from sweep.tracking import Tracker
from tests import executor_work as does
from tests.cli import TINY, start, wait_for
from tests.clusters import cluster
from tests.mlflow_server import MlflowServer
from tests.settings import settings

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = MlflowServer(tmp_path_factory.mktemp("server") / "store")
    server.start()
    yield server.uri
    server.stop()


@pytest.fixture(scope="module")
def workers():
    with cluster() as two:
        yield two


@pytest.fixture
def run_id(server, tmp_path):
    tracker = Tracker.open(tmp_path, server, "faces")
    return tracker.start_sweep(f"sweep-{tmp_path.name}", "command", {"board": "host"}, 1e-3, {})


def opened(workers, site, *overrides):
    (one,) = settings("executor=dask", f"executor.address={workers.address}", *overrides)
    return open_cluster(one.executor, site, print, does.work)


def stages_below(folder) -> dict[str, str]:
    return {path.name: (path / "weights.npz").read_text() for path in folder.iterdir() if not path.name.startswith(".")}


def test_finished_stages_outlive_their_worker_and_reach_the_driver(workers, server, run_id, tmp_path) -> None:
    scratch = tmp_path / "scratch"
    executor = opened(workers, Site(tmp_path, server, run_id, 30.0), f"executor.scratch={scratch}")
    tasks = [does.task(width, tmp_path) for width in (does.GOOD, does.DIES_ONCE, 1.0)]
    finished = [future.result(PATIENCE_SECONDS) for future in [executor.submit(task) for task in tasks]]
    executor.close()
    assert [one.task for one in finished] == tasks, "with the driver's folders"
    assert all(one.outcome is not None for one in finished)
    expected = {
        f"{stage}-{task.stage_key(stage)}": f"{stage} of {task.candidate.name}"
        for task in tasks
        for stage in task.stages
    }
    assert stages_below(tmp_path / "stages") == expected
    built = (tmp_path / "built.txt").read_text().splitlines()
    assert len(built) == len(set(built)) == len(expected), "each once, though a worker was killed after its first"
    assert [path.name for path in scratch.iterdir()] == [], "what was worked on is tidied up"


def test_stages_are_found_by_the_next_start_and_not_when_forgotten(workers, server, run_id, tmp_path) -> None:
    good = does.task(does.GOOD, tmp_path)
    site = Site(tmp_path, server, run_id, 30.0)
    for forgotten in ((), (), ("qat",)):
        executor = opened(workers, site)
        for stage in forgotten:
            executor.forget(stage, good.stage_key(stage))
        assert executor.submit(good).result(PATIENCE_SECONDS).outcome is not None
        executor.close()
    built = (tmp_path / "built.txt").read_text().splitlines()
    assert sorted(built) == sorted([*(f"{stage} {does.GOOD}" for stage in good.stages), f"qat {does.GOOD}"])


def test_half_a_stage_counts_for_nothing_and_a_damaged_one_is_refused(server, run_id, tmp_path) -> None:
    artifacts, here, there = ArtifactStages(server, run_id, 5.0), StageStore(tmp_path / "a"), StageStore(tmp_path / "b")
    with here.create("float", "0123") as folder:
        (folder / "weights.npz").write_bytes(b"weights")
    client = artifacts._client
    client.log_artifacts(run_id, str(here.folder("float", "0123")), "stages/float-0123")
    assert not artifacts.fetch(there, "float", "0123")
    artifacts.send(here.folder("float", "0123"))
    assert artifacts.fetch(there, "float", "0123")
    assert [path.name for path in there.folder("float", "0123").iterdir()] == ["weights.npz"]
    there.discard("float", "0123")
    client.log_text(run_id, "others", "stages/float-0123/weights.npz")
    with pytest.raises(StorageError, match=r"stages/float-0123/weights.npz is damaged"):
        artifacts.fetch(there, "float", "0123")
    client.log_text(run_id, json.dumps({"../../out": ""}), "stages/float-0123/manifest.json")
    with pytest.raises(StorageError, match=r"manifest.json is damaged"):
        artifacts.fetch(there, "float", "0123")
    assert not there.has("float", "0123")


def test_workers_that_see_another_folder_are_refused(workers, tmp_path) -> None:
    executor = opened(workers, Site(tmp_path, "sqlite:///unused.db", "run", 0.0))
    (tmp_path / "stages" / executor._token).unlink()  # as seen by a worker on another machine
    with pytest.raises(
        Exception, match=r"tracking.uri: got None, allowed: the address of an MLflow server, or a folder"
    ):
        executor.submit(does.task(does.GOOD, tmp_path)).result(PATIENCE_SECONDS)
    executor.close()


def test_an_address_without_a_scheduler_is_one_line(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("sweep.executors.cluster.CONNECT_SECONDS", 1)
    for address in ("tcp://127.0.0.1:9", "carrier-pigeon://here"):
        (one,) = settings("executor=dask", f"executor.address={address}")
        with pytest.raises(OptionError, match=rf"executor.address: got '{address}', allowed: the address of a Dask"):
            open_cluster(one.executor, Site(tmp_path, "sqlite:///unused.db", "run", 0.0), print)


def test_resources_decide_which_workers_count(workers, tmp_path) -> None:
    executor = opened(workers, Site(tmp_path, "sqlite:///unused.db", "run", 0.0), "executor.resources={GPU: 1}")
    assert (executor.workers, executor.slots) == (0, 1)
    executor.kill()


def test_a_worker_with_several_threads_takes_one_candidate_at_a_time(tmp_path) -> None:
    with cluster(workers=1, threads=2) as one:
        executor = opened(one, Site(tmp_path, "sqlite:///unused.db", "run", 0.0))
        waits = does.task(does.WAITS_FOR_STOP, tmp_path)
        first = executor.submit(waits)
        wait_for(lambda: any(event.key == waits.key for event in executor.drain()), "the first to begin")
        second = executor.submit(does.task(does.GOOD, tmp_path))
        with pytest.raises(TimeoutError):
            second.result(3 * BUSY_SECONDS)
        begun = {event.key for event in executor.drain()}
        assert begun <= {waits.key}, "the other has not begun, though a thread is free"
        executor.stop(waits.key)
        assert first.result(PATIENCE_SECONDS).pruned == ()
        assert second.result(PATIENCE_SECONDS).outcome is not None
        executor.close()


def test_a_scheduler_that_goes_away_ends_the_sweep_in_one_line(tmp_path) -> None:
    with cluster(workers=1) as one:
        executor = opened(one, Site(tmp_path, "sqlite:///unused.db", "run", 0.0))
        future = executor.submit(does.task(does.WAITS_FOR_STOP, tmp_path))
        os.kill(one.scheduler, signal.SIGKILL)
        with pytest.raises(UsageError, match=r"executor.address: the Dask scheduler tcp://127.0.0.1:\d+ is gone"):
            future.result(PATIENCE_SECONDS)
        assert executor.slots >= 1
        executor.kill()


def test_a_sweep_over_a_cluster_survives_the_death_of_a_worker(server, tmp_path) -> None:
    with cluster() as two:
        where = ("executor=dask", f"executor.address={two.address}", f"tracking.uri={server}", "sweep=clustered")
        log = tmp_path / "log.txt"
        process = start("run", *TINY, "seed=1", *where, cwd=tmp_path, log=log)
        wait_for(lambda: "float" in log.read_text(), "training", process)
        victim = two.busy_worker()
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: "ptq" in log.read_text(), "the float network, on the other worker", process)
        wait_for(lambda: process.poll() is not None, "the end")
    assert process.returncode == 0, log.read_text()
    assert not psutil.pid_exists(victim)
    tracker = Tracker.open(tmp_path, server, "facerec-sweep", create=False)
    (sweep,) = tracker.find_sweeps("clustered")
    records = tracker.load_records(sweep)
    assert [(record.seed, record.status, len(record.variants)) for record in records] == [(1, "complete", 3)]
    for record in records:
        for variant in record.variants:
            assert (tmp_path / "mlruns" / "stages" / variant.file.path).stat().st_size == variant.file.size_bytes
