"""A Dask scheduler and two workers on this machine, as processes, and an executor on them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.cli import environment

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Cluster:
    """Where its scheduler is, and what it runs in."""

    address: str
    folder: Path
    scheduler: int
    nannies: tuple[int, ...]

    def busy_worker(self) -> int:
        """Process id of the worker that has computed most."""
        found = [child for nanny in self.nannies for child in psutil.Process(nanny).children(recursive=True)]
        return max(found, key=lambda process: process.cpu_times().user).pid


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster(workers: int = 2, threads: int = 1) -> Iterator[Cluster]:
    """`dask scheduler` and `dask worker` as a user starts them, with a nanny that starts a dead worker again."""
    address = f"tcp://127.0.0.1:{free_port()}"
    port, started = address.rpartition(":")[2], []
    more = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1", "DASK_DISTRIBUTED__WORKER__PRELOAD": "[]"}
    with (
        TemporaryDirectory(prefix="dask-", ignore_cleanup_errors=True) as folder,
        (Path(folder) / "log").open("wb") as log,
    ):

        def start(*words: str) -> None:
            command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
            started.append(
                subprocess.Popen(
                    command, stdout=log, stderr=log, env=environment(**more), cwd=folder, start_new_session=True
                )
            )

        start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        for _ in range(workers):
            start("worker", address, "--nthreads", str(threads), "--no-dashboard", "--local-directory", folder)
        try:
            wait_for_workers(address, workers)
            scheduler, *nannies = (process.pid for process in started)
            yield Cluster(address, Path(folder), scheduler, tuple(nannies))
        finally:
            for process in reversed(started):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for_workers(address: str, workers: int) -> None:
    """Wait until so many have reported to the scheduler."""
    from distributed import Client

    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with Client(address, timeout=5, set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=PATIENCE_SECONDS)
                return
        except OSError:
            assert time.monotonic() < end, "the scheduler did not start"
            time.sleep(0.2)
