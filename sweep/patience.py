"""Waiting for a tracker that cannot be written for a while: what is waited for, how, and for how long.

Waited for is what passes by itself: a database that another process has locked, a full disk, a server that is being
started again, that refuses for lack of capacity (429) or has an error of its own (5xx). A refusal is none of these.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from facerec_core.errors import StorageError, TrackingError

T = TypeVar("T")
PASSING_ERRNO = (errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.ETIMEDOUT)
PASSING_DATABASE = (
    "database is locked",
    "database or disk is full",
    "disk I/O error",
    "could not connect",
    "connection refused",
    "closed the connection",
    "terminating connection",
    "timed out",
    "timeout",
    "deadlock",
)
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 10.0


def _silent(_text: str) -> None:
    """Says nothing."""


@dataclass(frozen=True)
class Patience:
    """How long a tracker is waited for, in seconds, and who is told what is waited for."""

    seconds: float = 0.0
    say: Callable[[str], None] = _silent

    def call(self, attempt: Callable[[], T]) -> T:
        """The result of `attempt`, which is made again while its error can pass and patience lasts.

        Raises:
            StorageError, TrackingError: the last attempt's; one that outlived the patience says how long it was.
        """
        from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential

        begun = time.monotonic()

        def announce(state: RetryCallState) -> None:
            if state.attempt_number == 1 and state.outcome is not None:
                self.say(f"waiting up to {self.seconds:g} s for the tracker: {state.outcome.exception()}")

        retrying = Retrying(
            retry=retry_if_exception(will_pass),
            wait=wait_exponential(FIRST_WAIT_S, max=LONGEST_WAIT_S),
            stop=stop_after_delay(self.seconds),
            before_sleep=announce,
            reraise=True,
        )
        try:
            result = retrying(attempt)
        except (StorageError, TrackingError) as error:
            if not (self.seconds and will_pass(error)):
                raise
            raise type(error)(f"{error}; waited {time.monotonic() - begun:.0f} s (tracking.patience_s)") from error
        if retrying.statistics.get("attempt_number", 1) > 1:
            self.say(f"the tracker answers again after {time.monotonic() - begun:.0f} s")
        return result


def will_pass(error: BaseException) -> bool:
    """Whether what made the tracker fail may be over soon, judged by the errors behind the error."""
    return isinstance(error, StorageError | TrackingError) and any(map(_passes, _causes(error)))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an error was raised from; MLflow's client does not say so of the requests that failed."""
    from mlflow.exceptions import MlflowException

    following = error.__cause__ or (error.__context__ if isinstance(error, MlflowException) else None)
    if following is not None:
        yield following
        yield from _causes(following)


def _passes(cause: BaseException) -> bool:
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import OperationalError

    if isinstance(cause, RequestException):
        return _request_passes(cause)
    if isinstance(cause, OperationalError):
        return any(text in str(cause).lower() for text in map(str.lower, PASSING_DATABASE))
    if isinstance(cause, MlflowException):
        return _answer_passes(cause)
    if isinstance(cause, OSError):
        return isinstance(cause, ConnectionError | TimeoutError) or cause.errno in PASSING_ERRNO
    return False


def _request_passes(cause: BaseException) -> bool:
    """Whether a request got no answer, or one that says to try again."""
    from requests.exceptions import ConnectionError as NoConnection
    from requests.exceptions import HTTPError, RetryError, Timeout

    if isinstance(cause, HTTPError):
        return cause.response is not None and _status_passes(cause.response.status_code)
    return isinstance(cause, NoConnection | RetryError | Timeout)


def _answer_passes(cause: BaseException) -> bool:
    """Whether it was a server that refused, and only for now."""
    from mlflow.exceptions import RestException

    answered = isinstance(cause, RestException) or "failed with error code" in str(cause)
    return answered and _status_passes(int(cause.get_http_status_code()))  # type: ignore[attr-defined]


def _status_passes(status: int) -> bool:
    from http import HTTPStatus

    return status == HTTPStatus.TOO_MANY_REQUESTS or (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
    )
