"""MLflow's own web interface on a sweep's store, on this machine only, with addresses of the views worth opening."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from facerec_core.errors import TrackingError
from sweep.local_server import HOST, check_port, interruptible
from sweep.schema import Settings
from sweep.tracking import Tracker
from sweep.ui_addresses import addresses

STARTS_WITHIN_S = 300.0  # on a busy machine; a server that has died is noticed at once
STOPS_WITHIN_S = 10.0


def serve(settings: Settings, port: int) -> int:
    """Serve the interface on 127.0.0.1 until Ctrl-C (or SIGTERM), and return the exit status.

    With a tracking server in `tracking.uri` nothing is started: its own addresses are printed.

    Raises:
        OptionError: the port is taken or out of range.
        TrackingError: there is no sweep to show, or MLflow's server does not start.
    """
    root = settings.paths.folder
    uri, experiment = settings.tracking.uri, settings.tracking.experiment
    check_port(port)
    tracker = Tracker.open(root, uri, experiment, create=False)
    if tracker.is_server:
        _say(addresses(tracker, tracker.uri.rstrip("/")))
        return 0
    views = addresses(tracker, f"http://{HOST}:{port}")
    try:
        with interruptible(), _server(tracker.uri, root, port) as (process, log):
            _wait_until_up(process, log, port)
            _say([*views, "Press Ctrl-C to stop."])
            process.wait()
            raise _ended(process, log)
    except KeyboardInterrupt:
        _say(["Stopped."])
        return 0


@contextmanager
def _server(uri: str, root: Path, port: int) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """MLflow's server and its log, in a session of its own so that it ends as a whole, and only by us."""
    where = ["--backend-store-uri", uri, "--default-artifact-root", (root.absolute() / "artifacts").as_uri()]
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", "server", *where, "--no-serve-artifacts"]
    command += ["--host", HOST, "--port", str(port), "--workers", "1"]
    # Without background jobs the server is two processes instead of ten and starts in half the time.
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment.pop("MLFLOW_LOGGING_LEVEL", None)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        try:
            yield process, log
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for request in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, request)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOPS_WITHIN_S)
            return


def _wait_until_up(process: subprocess.Popen[bytes], log: IO[bytes], port: int) -> None:
    """Return when the server answers; a dot a second meanwhile."""
    sys.stdout.write("Starting MLflow's interface ")
    until = time.monotonic() + STARTS_WITHIN_S
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > until:
            sys.stdout.write("\n")
            raise _ended(process, log)
        sys.stdout.write(".")
        sys.stdout.flush()
        time.sleep(1.0)
    sys.stdout.write("\n")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _ended(process: subprocess.Popen[bytes], log: IO[bytes]) -> TrackingError:
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
    what = f"ended with status {process.returncode}" if process.returncode is not None else "does not answer"
    return TrackingError(f"MLflow's server {what}, its last words: {last}; try another port with --port")


def _say(lines: Sequence[str]) -> None:
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()
