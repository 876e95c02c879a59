"""A sweep from settings to tracked records; training, data and the tracker are played."""

import time
from concurrent.futures import Future
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from facerec_core.errors import DataError, TrackingError
from facerec_core.types import Failure
from sweep import points, records, runner, scheduler
from sweep.executors.carrying import Finished
from sweep.runner import run_sweep
from sweep.schema import Invocation
from sweep.tracking_store import check_root
from tests.settings import SUMMARY, settings
from tests.unit.test_records import make_outcome


class FakeTracker:
    """Keeps the records of sweeps by name, as the tracker does."""

    def __init__(self):
        self.uri = "sqlite:///played.db"
        self.sweeps: dict[str, dict] = {}
        self.ended: list[str] = []
        self.registered: list[str | None] = []
        self.marked: list[tuple[str, int]] = []
        self.written = 0

    def open(self, root, uri, experiment, *, patience):
        return self

    def mark_standings(self, run_id):
        self.marked.append((run_id, len(self.sweeps[run_id])))

    def register_best(self, run_id, name):
        assert run_id in self.sweeps
        self.registered.append(name)

    @contextmanager
    def sweep(self, name, command, params, target_far, limits, *, joins):
        self.sweeps.setdefault(name, {})
        try:
            yield name
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise
        self.ended.append("finished")

    def lean_records(self, run_id):
        return dict(self.sweeps[run_id])

    def log_candidate(self, run_id, record, stages, pictures):
        self.written += 1
        self.sweeps[run_id][record.key] = record


class FakeExecutor:
    """Ends every task at once."""

    slots = 1

    def __init__(self, world, site):
        assert (site.root, site.tracking_uri) == (world.root / "mlruns", "sqlite:///played.db")
        assert site.run_id in world.tracker.sweeps
        self.world = world

    def submit(self, task):
        self.world.trained.append(task.candidate.width)
        future = Future()
        future.set_result(finish(self.world, task))
        if task.candidate.width not in self.world.fails:
            self.world.on_disk.add(task.key)
        return future

    def drain(self):
        return ()

    def forget(self, stage, key):
        self.world.forgotten.append(stage)
        self.world.on_disk.clear()

    def close(self):
        self.world.closed += 1

    def kill(self):
        self.world.killed += 1


def finish(world, task):
    if task.candidate.width in world.fails:
        return Finished(task, 1.0, 2.0, None, Failure("float", "the loss became nan", "Traceback"))
    return Finished(task, time.time(), time.time(), make_outcome(task.candidate), None)


@pytest.fixture
def world(monkeypatch, tmp_path):
    """What the sweep meets outside, and what it did there."""
    world = SimpleNamespace(tracker=FakeTracker(), trained=[], forgotten=[], on_disk=set(), fails=set())
    world.root, world.closed, world.killed = tmp_path, 0, 0

    def load_faces(options, resolution, cache_dir, report, *, folds):
        cache_dir.mkdir(parents=True, exist_ok=True)
        return SimpleNamespace(summary=SUMMARY)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(points, "load_faces", load_faces)
    monkeypatch.setattr(runner, "Tracker", world.tracker)
    monkeypatch.setattr(runner, "open_executor", lambda settings, site, hear, say: FakeExecutor(world, site))
    monkeypatch.setattr(scheduler, "carry_through", lambda task, emit: finish(world, task))
    monkeypatch.setattr(scheduler, "is_finished", lambda task: {task.key, task.candidate.width} & world.on_disk)
    monkeypatch.setattr(records, "roc_pictures", lambda record: {})
    return world


def run(*overrides: str) -> int:
    return run_sweep(settings(*overrides), Invocation("multirun", "python -m sweep multirun " + " ".join(overrides)))


def only_sweep(world) -> list:
    (found,) = world.tracker.sweeps.values()
    return list(found.values())


def test_what_does_not_fit_is_recorded_and_not_trained(world, capsys) -> None:
    assert run("width=0.35,0.75") == 0
    assert world.trained == [0.35]
    assert sorted(record.status for record in only_sweep(world)) == ["complete", "infeasible"]
    said = capsys.readouterr().err
    assert "0.75@96-960: not trained: parameter_bytes 1,303,984 of 1,000,000 bytes (exceeded)" in said
    (name,) = world.tracker.sweeps
    assert said.splitlines()[-1].endswith(f"python -m sweep report sweep={name}")


def test_what_became_of_candidates_is_marked_once_all_are_recorded(world) -> None:
    assert run("width=0.35,0.5") == 0
    assert world.tracker.marked == [(*world.tracker.sweeps, 2)]


def test_a_second_start_does_nothing_again(world, capsys) -> None:
    assert run("width=0.35,0.5,0.75") == 0
    written = world.tracker.written
    assert run("width=0.35,0.5,0.75") == 0
    assert (world.trained, world.tracker.written) == ([0.5, 0.35], written)  # the longest first
    assert capsys.readouterr().err.count("known from an earlier start") == 3


def test_a_record_says_which_command_carried_it_through(world) -> None:
    first, second = "width=0.35,0.75 sweep=mine", "width=0.35,0.5 sweep=mine"
    assert run(*first.split()) == run(*second.split()) == 0
    commands = {
        record.candidate.width: record.command.removeprefix("python -m sweep multirun ") for record in only_sweep(world)
    }
    assert commands == {0.35: first, 0.75: first, 0.5: second}


def test_finished_stages_are_only_read_back(world) -> None:
    world.on_disk = {0.35}
    assert run("width=0.35,0.5") == 0
    assert world.trained == [0.5]
    assert len(only_sweep(world)) == 2


def test_force_trains_again(world) -> None:
    run("width=0.35", "sweep=mine")
    assert run("width=0.35", "sweep=mine", "force=true") == 0
    assert (world.trained, world.tracker.written) == ([0.35, 0.35], 2)
    assert world.forgotten == ["float", "ptq", "qat", "eval-float32", "eval-ptq_int8", "eval-qat_int8"]


def test_a_failure_is_recorded_named_last_and_tried_again(world, capsys) -> None:
    world.fails = {0.35}
    assert run("width=0.35,0.5") == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "failed: 0.35@96-448 in float: the loss became nan"
    assert sorted(record.status for record in only_sweep(world)) == ["complete", "failed"]
    world.fails = set()
    assert run("width=0.35,0.5") == 0
    assert world.trained == [0.5, 0.35, 0.35]
    assert {record.status for record in only_sweep(world)} == {"complete"}


def test_settings_that_come_to_the_same_candidate_are_one(world) -> None:
    assert run("embedding=scaled,448") == 0
    assert len(world.trained) == len(only_sweep(world)) == 1


def test_one_training_serves_two_budgets(world) -> None:
    both = settings("budget.latency.limit_ms=500") + settings("budget.latency.limit_ms=400")
    assert run_sweep(both, Invocation("multirun", "command")) == 0
    assert len(world.trained) == 1, "the other was read back"
    assert sorted(record.config["budget"]["latency"]["limit_ms"] for record in only_sweep(world)) == [400, 500]


def test_unusable_data_leaves_the_tracker_alone(world, monkeypatch) -> None:
    def load_faces(*_args, **_named):
        raise DataError("data.root: nothing there")

    monkeypatch.setattr(points, "load_faces", load_faces)
    with pytest.raises(DataError):
        run()
    assert world.tracker.sweeps == {}
    assert not (world.root / "mlruns").exists()


def test_an_interrupt_ends_the_tracked_sweep(world, monkeypatch) -> None:
    def interrupted(_task):
        raise KeyboardInterrupt

    monkeypatch.setattr(scheduler, "is_finished", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert world.tracker.ended == ["KeyboardInterrupt"]


def test_a_sweep_is_carried_through_by_one_process_at_a_time(world) -> None:
    (world.root / "mlruns").mkdir()
    with (
        runner._only_one(world.root / "mlruns", "mine"),
        pytest.raises(TrackingError, match=r"sweep mine .* another process.* sweep=NAME"),
    ):
        run("sweep=mine")
    assert run("sweep=mine") == 0


def test_a_leftover_file_store_is_refused_before_anything_is_read(world) -> None:
    (world.root / "mlruns" / "0").mkdir(parents=True)
    (world.root / "mlruns" / "0" / "meta.yaml").touch()
    with pytest.raises(TrackingError, match="old MLflow file store"):
        run()
    assert [path.name for path in (world.root / "mlruns").iterdir()] == ["0"]
    check_root(world.root)
