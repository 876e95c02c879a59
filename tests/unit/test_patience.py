"""What is waited for and what is not, with errors as MLflow, its database and its HTTP client raise them."""

import errno
import sqlite3

import pytest
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from requests import Response
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import HTTPError
from sqlalchemy.exc import OperationalError

from facerec_core.errors import StorageError, TrackingError
from sweep import patience
from sweep.patience import Patience, will_pass
from sweep.tracking_store import mlflow_errors


def database(text: str) -> MlflowException:
    """As MLflow's store raises what its database reports."""
    cause = OperationalError("INSERT", {}, sqlite3.OperationalError(text))
    error = MlflowException(cause, error_code=TEMPORARILY_UNAVAILABLE)
    error.__cause__ = cause
    return error


def answer(status: int) -> MlflowException:
    """As MLflow's client raises an answer that is no JSON, such as a proxy's."""
    from mlflow.utils.rest_utils import verify_rest_response

    response = Response()
    response.status_code, response._content = status, b"<html>"
    with pytest.raises(MlflowException) as raised:
        verify_rest_response(response, "/api/2.0/mlflow/runs/create")
    return raised.value


def upload(status: int) -> HTTPError:
    response = Response()
    response.status_code = status
    return HTTPError(f"{status} for url", response=response)


def gone() -> MlflowException:
    """As MLflow's client raises a request that failed: from nothing, inside an except."""
    try:
        try:
            raise NoConnection("Connection refused")  # noqa: TRY301
        except NoConnection as error:
            raise MlflowException(f"API request to http://127.0.0.1 failed with exception {error}")  # noqa: B904
    except MlflowException as error:
        return error


def in_our_words(error: Exception) -> Exception:
    with pytest.raises((StorageError, TrackingError)) as raised, mlflow_errors("store"):
        raise error
    return raised.value


PASSING = [
    database("database is locked"),
    database("database or disk is full"),
    OSError(errno.ENOSPC, "No space left on device"),
    gone(),
    answer(502),
    answer(503),
    RestException({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}),
    RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "database is locked"}),
    upload(503),
    upload(429),
]
REFUSALS = [
    database("no such table: runs"),
    database("attempt to write a readonly database"),
    OSError(errno.EACCES, "Permission denied"),
    answer(404),
    answer(403),
    RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}),
    MlflowException("a bug on this side"),
    upload(413),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_what_can_pass_is_waited_for(error) -> None:
    assert will_pass(in_our_words(error))


@pytest.mark.parametrize("error", REFUSALS, ids=str)
def test_a_refusal_is_not_waited_for(error) -> None:
    assert not will_pass(in_our_words(error))


class Tried:
    """An attempt that fails so many times."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.left, self.error, self.attempts = failures, error, 0

    def __call__(self) -> str:
        self.attempts += 1
        self.left -= 1
        if self.left >= 0:
            with mlflow_errors("store"):
                raise self.error
        return "done"


@pytest.fixture
def said(monkeypatch):
    monkeypatch.setattr(patience, "FIRST_WAIT_S", 0.001)
    return []


def test_attempts_are_repeated_and_it_is_said_what_is_waited_for(said) -> None:
    tried = Tried(3, database("database is locked"))
    assert Patience(30, said.append).call(tried) == "done"
    assert tried.attempts == 4
    assert said[0].startswith("waiting up to 30 s for the tracker: store: ")
    assert "database is locked" in said[0]
    assert said[1].startswith("the tracker answers again after")
    assert len(said) == 2


def test_patience_ends_with_the_last_error_and_how_long_it_was(said) -> None:
    with pytest.raises(TrackingError, match=r"database is locked.*; waited \d+ s \(tracking\.patience_s\)$"):
        Patience(0.05, said.append).call(Tried(1000, database("database is locked")))


@pytest.mark.parametrize(("seconds", "error"), [(0.0, gone()), (30.0, answer(404))])
def test_without_patience_or_after_a_refusal_there_is_one_attempt(said, seconds, error) -> None:
    tried = Tried(1, error)
    with pytest.raises(TrackingError) as raised:
        Patience(seconds, said.append).call(tried)
    assert (tried.attempts, said) == (1, [])
    assert "waited" not in str(raised.value)


def test_an_interrupt_ends_the_waiting(said) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Patience(30, said.append).call(interrupted)
    assert said == []
