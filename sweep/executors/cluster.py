"""Tasks over the workers of a Dask cluster; Dask tries a task again where a worker dies."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from typing import Any

from facerec_core.errors import FacerecError, OptionError, UsageError
from facerec_core.stages import StageStore, write_file
from facerec_core.task import Task
from facerec_core.types import Progress
from sweep.executors.base import Work
from sweep.executors.carrying import Finished, lost
from sweep.executors.cluster_worker import Errand, carry_through_here, clear_scratch, run_errand
from sweep.executors.site import Site
from sweep.executors.transfer import ArtifactStages
from sweep.provenance import versions
from sweep.schema import ExecutorSettings

CONNECT_SECONDS = 20
COUNT_SECONDS = 1.0
"""So long the number of workers is believed."""


def open_cluster(
    options: ExecutorSettings, site: Site, say: Callable[[str], None], work: Work = carry_through_here
) -> DaskExecutor:
    """Connect to a scheduler.

    Raises:
        OptionError: there is none, or the `dask` extra is not installed.
    """
    try:
        from distributed import Client
        from distributed.comm.registry import get_backend
    except ModuleNotFoundError as error:
        hint = "pip install 'facerec-sweep[dask]'"
        raise OptionError("executor.kind", "dask", "local, inprocess, or dask where it is installed", hint) from error
    try:
        # Asked first: a client that fails on it stays behind, half open, until it is collected.
        get_backend(str(options.address).partition("://")[0] if "://" in str(options.address) else "tcp")
        client = Client(options.address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        allowed = "the address of a Dask scheduler that is running, tcp://HOST:PORT"
        raise OptionError("executor.address", options.address, allowed, str(error).splitlines()[0]) from error
    executor = DaskExecutor(client, options, site, work)
    if executor.workers == 0:
        say(f"no worker of {options.address} can take a candidate yet; they wait until one comes")
    return executor


class DaskExecutor:
    """As many slots as there are workers that have the resources asked for.

    Stages travel through the MLflow server where the tracker is one, else all share the driver's folder.
    """

    def __init__(self, client: Any, options: ExecutorSettings, site: Site, work: Work) -> None:
        self._client, self._options, self._site, self._work = client, options, site, work
        self._token = f".driver-{uuid.uuid4().hex[:12]}"
        self._store = StageStore(site.stages)
        self._artifacts = ArtifactStages(site.tracking_uri, site.run_id, site.patience_s) if site.has_server else None
        if self._artifacts is None:
            site.stages.mkdir(parents=True, exist_ok=True)
            write_file(site.stages / self._token, b"")
        self._events: queue.SimpleQueue[Progress] = queue.SimpleQueue()
        self._stage: dict[str, str] = {}
        self._lock = threading.Lock()
        self._running: dict[str, tuple[Any, Future[Finished]]] = {}
        self._stops: list[Any] = []
        self._counted, self.workers = 0.0, 0
        self._client.subscribe_topic(self._token, self._hear)
        self._count()

    @property
    def slots(self) -> int:
        """The workers that can take a candidate now, or 1 while there are none."""
        if time.monotonic() - self._counted > COUNT_SECONDS:
            self._count()
        return max(self.workers, 1)

    def _count(self) -> None:
        with suppress(OSError):  # the scheduler is away; its futures will say so, if it stays away
            found = self._client.scheduler_info(n_workers=-1)["workers"].values()
            wanted = self._options.resources or {}
            self.workers = sum(
                all(worker["resources"].get(name, 0) >= amount for name, amount in wanted.items()) for worker in found
            )
        self._counted = time.monotonic()

    def submit(self, task: Task) -> Future[Finished]:
        """Hand the task to the scheduler."""
        future: Future[Finished] = Future()
        handed = self._client.submit(
            run_errand,
            self._errand(task),
            key=f"candidate-{task.key}-{uuid.uuid4().hex[:8]}",
            resources=self._options.resources,
            pure=False,
        )
        with self._lock:
            self._running[task.key] = handed, future
        handed.add_done_callback(partial(self._ended, task, future))
        return future

    def _errand(self, task: Task) -> Errand:
        return Errand(
            task=task,
            key=task.key,
            versions=versions(),
            topic=self._token,
            stop=f"{self._token}-{task.key}",
            tracking_uri=self._site.tracking_uri if self._artifacts else None,
            run_id=self._site.run_id,
            patience_s=self._site.patience_s,
            scratch=self._options.scratch,
            token=self._token,
            work=self._work,
        )

    def _ended(self, task: Task, future: Future[Finished], handed: Any) -> None:
        """In Dask's thread for callbacks: what came of a task, and its stages."""
        with self._lock:
            self._running.pop(task.key, None)
        with suppress(InvalidStateError):  # it was cancelled by `kill`
            try:
                future.set_result(self._result(task, handed))
            except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits has to hear of it
                future.set_exception(error)

    def _result(self, task: Task, handed: Any) -> Finished:
        from distributed import KilledWorker

        if handed.status not in ("finished", "error"):
            address = self._options.address
            raise UsageError(f"executor.address: the Dask scheduler {address} is gone; the same command goes on later")
        error = handed.exception()
        if isinstance(error, KilledWorker):
            return lost(task, self._stage.get(task.key, "start"), "the log of the Dask worker")
        if isinstance(error, FacerecError):
            raise error
        if error is not None:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise UsageError(f"executor.address: the workers of {self._options.address} cannot be used: {reason}")
        if self._artifacts:
            for stage in task.stages:
                self._artifacts.fetch(self._store, stage, task.stage_key(stage))
        finished: Finished = handed.result()
        return finished

    def _hear(self, event: tuple[Any, dict[str, Any]]) -> None:
        progress = Progress(**event[1]["progress"])
        self._stage[progress.key] = progress.stage
        self._events.put(progress)

    def drain(self) -> Iterable[Progress]:
        """The signs of life since the last call."""
        with suppress(queue.Empty):
            while True:
                yield self._events.get_nowait()

    def stop(self, key: str) -> None:
        """Set the event that the task's worker looks at."""
        from distributed import Event

        event = Event(f"{self._token}-{key}", client=self._client)
        event.set()
        self._stops.append(event)

    def forget(self, stage: str, key: str) -> None:
        """Discard a stage in the driver's folder and in the artifact store."""
        self._store.discard(stage, key)
        if self._artifacts:
            self._artifacts.forget(stage, key)

    def close(self) -> None:
        """Leave the cluster and tidy up there; its workers stay."""
        with suppress(OSError, TimeoutError):  # the scheduler may be gone
            for event in self._stops:
                event.clear()
        self._leave()

    def kill(self) -> None:
        """Cancel what waits, and ask what runs to give up after its epoch: a thread of a worker cannot be ended."""
        with self._lock:
            running = list(self._running.items())
        for key, (handed, future) in running:
            future.cancel()
            with suppress(OSError, TimeoutError):
                self.stop(key)
                handed.cancel()
        self._leave()

    def _leave(self) -> None:
        (self._site.stages / self._token).unlink(missing_ok=True)
        if self._client.status == "running":
            with suppress(OSError, TimeoutError):
                self._client.run(clear_scratch, self._options.scratch, self._token, on_error="ignore")
        with suppress(OSError, TimeoutError):
            self._client.close(timeout=CONNECT_SECONDS)
