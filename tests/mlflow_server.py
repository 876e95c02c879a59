"""A real MLflow server on this machine that keeps runs and artifacts, to be stopped and started again."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class MlflowServer:
    """A server with its artifacts below `folder`, and its SQLite database unless `backend` is another one's address."""

    def __init__(self, folder: Path, backend: str | None = None) -> None:
        self._folder = folder
        self._backend = backend or f"sqlite:///{folder}/server.db"
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._folder.mkdir(exist_ok=True)
        store = self._folder
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--workers", "1", "--backend-store-uri", self._backend),
            *("--artifacts-destination", str(store / "artifacts")),
        ]
        quiet = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (store / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=quiet, start_new_session=True)
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End it with all its processes; nothing happens where none runs."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)

    def _wait_until_it_answers(self) -> None:
        for _ in range(240):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.5)
            finally:
                connection.close()
        raise AssertionError("the server did not start within two minutes")
