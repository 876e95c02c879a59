"""Opening an MLflow store, quietly, and MLflow's errors in this project's words."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facerec_core.errors import StorageError, TrackingError, require
from sweep.collector import uncollected

DATABASE = "mlflow.db"
SERVER_SCHEMES = ("http", "https", "databricks")
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
}
# A server that does not answer is reported within seconds; MLflow itself would try for several minutes.
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
# While a sweep runs it is `sweep/patience.py` that tries again; an artifact of some MB may take its time to arrive.
WRITING = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
DAMAGE = ("file is not a database", "malformed")
DISK_TROUBLE = ("disk is full", "disk I/O error", "readonly database", "unable to open database", "No space left")


def is_server(uri: str) -> bool:
    """Whether `uri` is a tracking server, rather than a database."""
    return uri.split(":", 1)[0] in SERVER_SCHEMES


def database_uri(root: Path) -> str:
    """The default store of a folder."""
    return f"sqlite:///{root.absolute() / DATABASE}"


def open_store(root: Path, uri: str | None, experiment: str, *, create: bool) -> tuple[Any, str, str]:
    """(MlflowClient, experiment id, tracking URI); see `Tracker.open` for the arguments and errors."""
    if uri is not None and is_server(uri):
        with _frozen_once(), _environment(IMPATIENT), mlflow_errors(uri):
            return _connect(uri, experiment, None, create=create)
    with _frozen_once(), mlflow_errors(uri or str(root / DATABASE)):
        if uri is None and not create and not (root / DATABASE).is_file():
            raise TrackingError(
                f"{root}: got no {DATABASE} there, allowed: a folder that holds sweeps; "
                "run `python -m sweep multirun` first or set paths.root=FOLDER"
            )
        check_root(root)
        address = uri or database_uri(root)
        artifacts = root.absolute() / "artifacts"
        if not create:
            _probe(address)
            return _connect(address, experiment, None, create=False)
        with _locked(root):
            if uri is None:
                _create_database(root / DATABASE)
            _probe(address)
            artifacts.mkdir(exist_ok=True)
            return _connect(address, experiment, artifacts.as_uri(), create=True)


@contextmanager
def _frozen_once() -> Iterator[None]:
    """MLflow and SQLAlchemy make a million objects that stay: waste is not looked for among them, now or later.

    It would take a quarter of the time of their import, and half of that in which runs are read back. Only where they
    are not imported yet: freezing what a process holds later would keep its waste, too.
    """
    if "mlflow" in sys.modules:
        yield
        return
    with uncollected():
        try:
            yield
        finally:
            gc.freeze()


@contextmanager
def impatient(uri: str) -> Iterator[None]:
    """A server that does not answer is reported within seconds, not minutes; a database is left as it is."""
    with _environment(WRITING if is_server(uri) else {}):
        yield


@contextmanager
def mlflow_errors(where: str) -> Iterator[None]:
    """Silence MLflow's warnings, and raise its errors and the disk's as one line that begins with `where`.

    Raises:
        StorageError: the disk is full, or a folder or the database cannot be written.
        TrackingError: everything else that MLflow or its database reports.
    """
    # Recorded and dropped: MLflow switches some of its warnings on again, which an "ignore" would not survive.
    with warnings.catch_warnings(record=True, action="ignore"):
        _silence()
        from mlflow.exceptions import MlflowException
        from requests import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, RequestException) as error:
            raise _in_one_line(where, str(error)) from error
        except OSError as error:
            raise StorageError(f"{where}: {error}; free space or set paths.root=FOLDER to another folder") from error


def _silence() -> None:
    """For an MLflow imported later, and for one imported already; a value the user has set stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())
    logging.getLogger("alembic").setLevel(logging.CRITICAL)


def _in_one_line(where: str, message: str) -> StorageError | TrackingError:
    first = message.strip().splitlines()[0] if message.strip() else "no reason given"
    if any(trouble in message for trouble in DISK_TROUBLE):
        return StorageError(f"{where}: {first}; free space or set paths.root=FOLDER to another folder")
    if any(damage in message for damage in DAMAGE):
        return TrackingError(f"{where}: {first}; put a copy back, or move it away to begin anew")
    return TrackingError(f"{where}: {first}; see tracking.uri and paths.root")


def _connect(uri: str, experiment: str, artifacts: str | None, *, create: bool) -> tuple[Any, str, str]:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None and not create:
        raise TrackingError(f"{uri}: got no experiment {experiment!r} there; see tracking.experiment")
    found = found or _create_experiment(client, experiment, artifacts)
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"{uri}: got the deleted experiment {experiment!r}, allowed: an active one; restore it with "
            f"`mlflow experiments restore -x {found.experiment_id}` or set tracking.experiment=NAME"
        )
    return client, found.experiment_id, uri


def _create_experiment(client: Any, name: str, artifacts: str | None) -> Any:
    """A new experiment, or the one that another process has made in this moment."""
    from mlflow.exceptions import MlflowException

    # The kind makes the UI open the table of runs instead of asking what the experiment is.
    tags = {"mlflow.experimentKind": "custom_model_development"}
    try:
        client.create_experiment(name, artifacts, tags)
    except MlflowException:
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return found
    return client.get_experiment_by_name(name)


def check_root(root: Path) -> None:
    """Refuse a folder that cannot hold the database, before anything is written; imports no MLflow.

    MLflow picks a leftover store of single files over the database wherever it is not told otherwise.

    Raises:
        OptionError: the path cannot be written as a database's address.
        TrackingError: a leftover file store.
    """
    # In a database URI a question mark begins the options and a percent sign an escape.
    allowed = "a folder whose path has neither ? nor %"
    require(not set("?%") & set(str(root.absolute())), "paths.root", str(root), allowed)
    leftover = next((path for path in sorted(root.glob("[0-9]*/meta.yaml")) if path.parent.name.isdigit()), None)
    if leftover is not None:
        old = f"{root}-old"
        raise TrackingError(
            f"{leftover}: got an old MLflow file store, allowed: none beside {DATABASE}; move it away with "
            f"`mv {root} {old}` (its runs: `mlflow migrate-filestore --source {old} --target "
            f"sqlite:///{Path(old).absolute()}/{DATABASE}`) or set paths.root=FOLDER"
        )


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Only one process at a time makes the folder's database and experiment."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{DATABASE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _create_database(path: Path) -> None:
    """Make the database under another name first: an interrupted creation leaves no half-migrated store."""
    if path.exists():
        return
    from mlflow import MlflowClient

    # MLflow keeps a connection to every database it has opened, so the name is never used twice.
    temporary = path.with_name(f"{DATABASE}.new-{time.time_ns()}")
    try:
        MlflowClient(f"sqlite:///{temporary.absolute()}")
        temporary.replace(path)
    finally:
        for leftover in path.parent.glob(f"{DATABASE}.new-*"):
            leftover.unlink()


def _probe(uri: str) -> None:
    """Fail at once where MLflow would try ten times: the database cannot be reached or is none."""
    from sqlalchemy import create_engine, inspect

    engine = create_engine(uri)
    try:
        inspect(engine).get_table_names()
    finally:
        engine.dispose()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for the length of a block, save those the user has set."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
