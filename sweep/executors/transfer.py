"""Finished stages between machines that share no folder: artifacts of the sweep's run on the MLflow server.

A stage is the folder `stages/NAME-KEY` there. Its manifest, the digest of every file, is written last and read first,
so that what a killed worker sent half of counts for nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facerec_core.errors import StorageError, TrackingError
from facerec_core.stages import StageStore, file_digest
from sweep.patience import Patience

MANIFEST = "manifest.json"


class ArtifactStages:
    """Stages in the artifact store of one run.

    Args:
        uri: the MLflow server's address.
        run_id: the run of the sweep.
        patience_s: how long a server that is away is waited for, at each call.
    """

    def __init__(self, uri: str, run_id: str, patience_s: float) -> None:
        from mlflow import MlflowClient

        self._client: Any = MlflowClient(uri)
        self._uri, self._run_id = uri, run_id
        self._patience = Patience(patience_s)

    def send(self, folder: Path) -> None:
        """Upload a finished stage; one that is there is written over with the same.

        Raises:
            TrackingError: the server refuses, or does not answer for as long as it is waited for.
        """
        place = f"stages/{folder.name}"
        digests = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
        self._call(lambda: self._client.log_artifacts(self._run_id, str(folder), place))
        self._call(lambda: self._client.log_text(self._run_id, json.dumps(digests), f"{place}/{MANIFEST}"))

    def fetch(self, store: StageStore, stage: str, key: str) -> bool:
        """Download a stage into `store` unless it is there; False where the artifact store does not have it whole.

        Raises:
            StorageError: a file came damaged, or the store's folder cannot be written.
            TrackingError: as for `send`.
        """
        if store.has(stage, key):
            return True
        place = f"stages/{store.folder(stage, key).name}"
        digests = self._manifest(place)
        if not digests:
            return False
        with store.create(stage, key) as folder:
            for name, digest in digests.items():
                self._download(f"{place}/{name}", folder)
                if file_digest(folder / name) != digest:
                    raise StorageError(f"{self._uri}: {place}/{name} is damaged; train with force=true")
        return True

    def forget(self, stage: str, key: str) -> None:
        """Make a stage count as absent; MLflow deletes no single artifact.

        Raises:
            TrackingError: as for `send`.
        """
        place = f"stages/{StageStore(Path()).folder(stage, key).name}"
        self._call(lambda: self._client.log_text(self._run_id, "{}", f"{place}/{MANIFEST}"))

    def _manifest(self, place: str) -> dict[str, str]:
        listed = self._call(lambda: self._client.list_artifacts(self._run_id, place))
        if f"{place}/{MANIFEST}" not in {found.path for found in listed}:
            return {}
        with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
            text = self._download(f"{place}/{MANIFEST}", Path(folder)).read_text(encoding="utf-8")
        digests: dict[str, str] = json.loads(text)
        if any(name != Path(name).name for name in digests):  # a folder outside would be written
            raise StorageError(f"{self._uri}: {place}/{MANIFEST} is damaged; train with force=true")
        return digests

    def _download(self, path: str, folder: Path) -> Path:
        """Straight into `folder`, without the folders the artifact lies in."""
        with tempfile.TemporaryDirectory(prefix=".fetched-", dir=folder) as temporary:
            found = Path(self._call(lambda: self._client.download_artifacts(self._run_id, path, temporary)))
            return found.replace(folder / found.name)

    def _call(self, attempt: Any) -> Any:
        def once() -> Any:
            with _one_line_errors(self._uri):
                return attempt()

        return self._patience.call(once)


@contextmanager
def _one_line_errors(uri: str) -> Iterator[None]:
    """MLflow's errors as this project's; unlike the tracker's, for any thread: warnings are left alone."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise TrackingError(f"{uri}: {reason}; see tracking.uri") from error
