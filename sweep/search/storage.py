"""Where a study is kept: Optuna's journal file, or a database; Optuna's errors in this project's words."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facerec_core.errors import OptionError, StorageError
from sweep.beat import BEAT_SECONDS
from sweep.search.journal import open_journal
from sweep.search.signs import GRACE_SECONDS

JOURNAL = "optuna.journal"
CONNECT_SECONDS = 10
SIGNS = {"heartbeat_interval": round(BEAT_SECONDS), "grace_period": GRACE_SECONDS}
_PASSWORD = re.compile(r"(?<=://)([^:/@]*):[^@]*@")


def open_storage(root: Path, address: str | None) -> tuple[Any, str, int]:
    """(Optuna's storage, where it lies, bytes that a killed process left behind and that were dropped).

    Args:
        root: folder of the default journal.
        address: an SQLAlchemy address, the path of a journal file, or None.

    Raises:
        OptionError: an address that Optuna does not take, or whose driver is not installed.
        StorageError: the database cannot be reached, or the file is damaged or cannot be written.
    """
    if address is None or "://" not in address:
        path = root / JOURNAL if address is None else Path(address).expanduser()
        storage, dropped = open_journal(path)
        with storage_errors(str(path)):
            return storage, str(path), dropped
    return _open_database(address), without_password(address), 0


def without_password(address: str) -> str:
    """An address as it may be shown and logged."""
    return _PASSWORD.sub(r"\1:***@", address)


def _open_database(address: str) -> Any:
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    shown = without_password(address)
    allowed = "sqlite:///FILE, postgresql+psycopg://HOST/DATABASE, the path of a journal file, or null"
    shared: dict[str, Any] = {} if address.startswith("sqlite") else {**SIGNS}
    if address.startswith("postgresql"):
        shared["engine_kwargs"] = {"connect_args": {"connect_timeout": CONNECT_SECONDS}, "pool_pre_ping": True}
    try:
        with storage_errors(shown):
            return _patiently(lambda: RDBStorage(address, **shared))
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise OptionError("search.storage", shown, allowed, str(error).splitlines()[0]) from error
    except ImportError as error:
        hint = "pip install 'facerec-sweep[postgresql]'" if "postgresql" in address else "install its driver"
        raise OptionError("search.storage", shown, allowed, f"the database's driver is missing; {hint}") from error


def _patiently(connect: Callable[[], Any]) -> Any:
    """Several processes that find an empty database all make its tables: all but one of them have to try again."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

    def collided(error: BaseException) -> bool:
        exists = isinstance(error, OperationalError) and "already exists" in str(error)
        return exists or isinstance(error, IntegrityError | ProgrammingError)

    retrying = Retrying(
        retry=retry_if_exception(collided), stop=stop_after_attempt(8), wait=wait_random(0.1, 0.6), reraise=True
    )
    return retrying(connect)


@contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Raise what Optuna and its database report as one line that begins with `where`, and silence its notes.

    Raises:
        StorageError: the storage cannot be read or written.
    """
    import optuna
    from sqlalchemy.exc import DBAPIError

    logging.getLogger("alembic").setLevel(logging.CRITICAL)
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    except optuna.exceptions.StorageInternalError as error:
        raise _in_one_line(where, error.__cause__ or error) from error
    except DBAPIError as error:
        raise _in_one_line(where, error) from error
    except OSError as error:
        raise StorageError(f"{where}: {error.strerror or error}; free space or see search.storage") from error
    except ValueError as error:
        if "Invalid log format" not in str(error):
            raise
        raise StorageError(f"{where}: {error}; start the same command again, which mends the file") from error


def _in_one_line(where: str, error: BaseException) -> StorageError:
    message = str(getattr(error, "orig", error)).strip()
    first = " ".join(message.splitlines()[0].split()) if message else type(error).__name__
    return StorageError(f"{where}: {without_password(first)}; see search.storage")
