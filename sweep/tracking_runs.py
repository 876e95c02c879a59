"""Runs below a sweep in MLflow: found, written in as few calls as can be, closed and deleted."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from facerec_core.errors import OptionError, TrackingError
from sweep.beat import WATCH_SECONDS, Pulse
from sweep.owner import Owner, owner_of
from sweep.tracking_store import is_server
from sweep.tracking_tagged import TaggedRun, all_runs, found_tagged

MetricPoint = tuple[str, float, int]
"""Key, value, step."""
MOST_METRICS, MOST_PARAMS = 1000, 100
PARENT = "mlflow.parentRunId"
RUNNING = "RUNNING"


class Runs:
    """The runs of one experiment; all but `tagged` goes through the MlflowClient it is given."""

    def __init__(self, client: Any, experiment_id: str, uri: str) -> None:
        self.client = client
        self.experiment_id = experiment_id
        self.uri = uri

    def tagged(self, **tags: str) -> list[TaggedRun]:
        """The runs that have all these tags, with their tags and no figures, the one that began last first."""
        return found_tagged(self.client, self.uri, self.experiment_id, tags)

    def search(self, query: str) -> list[Any]:
        """All runs that match, with everything."""
        return all_runs(self.client, self.experiment_id, query)

    def create(self, name: str, tags: Mapping[str, str], started_unix: float | None = None) -> Any:
        """A new run, RUNNING."""
        started = None if started_unix is None else round(1000 * started_unix)
        return self.client.create_run(self.experiment_id, start_time=started, run_name=name, tags=dict(tags))

    def terminate(self, run: Any, status: str, ended_unix: float) -> None:
        """End a run at the time its work ended."""
        self.client.set_terminated(run.info.run_id, status, end_time=round(1000 * ended_unix))

    @cached_property
    def location(self) -> str:
        """Where MLflow keeps the artifacts of the experiment, a URI or a path."""
        return str(self.client.get_experiment(self.experiment_id).artifact_location)

    def reached_directly(self) -> bool:
        """Whether runs are rows of a database, and their artifacts files, that this process reaches itself."""
        return not is_server(self.uri) and local_folder(self.location) is not None

    def log(
        self,
        run_id: str,
        params: Mapping[str, str] | None = None,
        points: Iterable[MetricPoint] = (),
        at_unix: float = 0.0,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Everything at once, in as few calls as MLflow's limits allow."""
        from mlflow.entities import Metric, Param, RunTag

        at_ms = round(1000 * at_unix)
        metrics = [Metric(key, value, at_ms, step) for key, value, step in points]
        some_params = [Param(key, value) for key, value in (params or {}).items()]
        some_tags = [RunTag(key, value) for key, value in (tags or {}).items()]
        calls = max(-(-len(metrics) // MOST_METRICS), -(-len(some_params) // MOST_PARAMS), 1)
        for call in range(calls):
            self.client.log_batch(
                run_id,
                metrics[call * MOST_METRICS : (call + 1) * MOST_METRICS],
                some_params[call * MOST_PARAMS : (call + 1) * MOST_PARAMS],
                some_tags if call == 0 else (),
            )

    @contextmanager
    def artifacts(self, run: Any) -> Iterator[Path]:
        """A folder whose content is the run's artifacts after the block: theirs, where they lie on this machine."""
        own = local_folder(run.info.artifact_uri)
        if own is not None:
            own.mkdir(parents=True, exist_ok=True)
            yield own
            return
        with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
            yield Path(folder)
            self.client.log_artifacts(run.info.run_id, folder)

    def put(self, run: Any, folder: str, files: Iterable[Path]) -> None:
        """Copy files into a folder of the run's artifacts; each appears there whole, in place of an older one."""
        with self.artifacts(run) as artifacts:
            (artifacts / folder).mkdir(exist_ok=True)
            for file in files:
                _copy_whole(file, artifacts / folder / file.name)

    def read(self, run: TaggedRun, artifact: str) -> str:
        """The text of one artifact."""
        own = local_folder(run.artifact_uri)
        if own is not None:
            return (own / artifact).read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
            path = Path(self.client.download_artifacts(run.run_id, artifact, folder))
            return path.read_text(encoding="utf-8")

    def kill_below(self, sweep_run_id: str) -> None:
        """Nothing below a sweep may stay RUNNING, whatever ended the process that wrote it."""
        for run in self.tagged(sweep_run_id=sweep_run_id):
            if run.status == RUNNING:
                self.client.set_terminated(run.run_id, "KILLED")

    def delete(self, run_id: str) -> None:
        """Move a run and those below it to MLflow's bin."""
        for child in self.tagged(**{PARENT: run_id}):
            self.delete(child.run_id)
        if self.client.get_run(run_id).info.status == RUNNING:
            self.client.set_terminated(run_id, "KILLED")
        self.client.delete_run(run_id)


def _copy_whole(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(source, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def local_folder(artifact_uri: str) -> Path | None:
    """Where artifacts lie on this machine; None where a server or a cloud keeps them."""
    if urlsplit(artifact_uri).scheme not in ("", "file"):
        return None
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(artifact_uri))


def check_same_measure(begun: Mapping[str, str], now: Mapping[str, str]) -> None:
    """One sweep is judged by one set of limits and one target FAR, or its report would contradict itself."""
    for tag in ("limits", "target_far"):
        if begun[tag] != now[tag]:
            allowed = f"another name; this sweep was begun with {tag} {begun[tag]}, not {now[tag]}"
            raise OptionError("sweep", now["sweep"], allowed)


def check_alone(run: Any, say: Callable[[str], None], pulse: Pulse) -> None:
    """Refuse a sweep that another living process carries through; one of another machine is listened to first.

    One that a process of this machine left is closed before (`Tracker.close_stale`).

    Raises:
        TrackingError: that process lives.
    """
    owner, name = owner_of(run.data.tags), run.data.tags["sweep"]
    if run.info.status != RUNNING or owner is None or owner == Owner.here():
        return
    lives = owner.lives()
    if lives is None and pulse.is_kept:
        say(f"sweep {name} was left RUNNING on {owner.host}; listening for {WATCH_SECONDS:g} s whether it runs there")
        lives = pulse.lives(run.info.run_id)
    if lives:
        whose = f"process {owner.pid} on {owner.host}"
        raise TrackingError(f"sweep {name} is being carried through by {whose}; wait for it, or set sweep=NAME")
    if lives is None:
        say(f"warning: sweep {name} was left RUNNING on {owner.host}; should it still run there, both do the same work")
