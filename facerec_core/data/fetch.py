"""Files from published addresses: resumed, verified, and under their name only when they are whole.

What arrives goes to a hidden file that only the user can read, `.NAME.part`, beside what is needed to go on with it.
It gets its name when its SHA-256 is the published one. A lock keeps two processes off the same file.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from facerec_core.errors import DataError, StorageError
from facerec_core.stages import file_digest, write_file

if TYPE_CHECKING:
    from requests import Response, Session

Report = Callable[[int, int], None]

_BLOCK_BYTES = 1 << 16
_POLL_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 60.0
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})
_OK, _PARTIAL, _RANGE_REFUSED = 200, 206, 416


@dataclass(frozen=True)
class RemoteFile:
    """A published file: its name here, its address, and the SHA-256 of its content in hexadecimal digits."""

    name: str
    url: str
    sha256: str


@dataclass(frozen=True)
class Manners:
    """How to ask a server.

    `schemes` are the beginnings of addresses that may be asked or led to; anything but https is for tests.
    `attempts` without a byte in between end the fetching; between them `pause` is called with the seconds to wait.
    """

    schemes: tuple[str, ...] = ("https://",)
    attempts: int = 4
    timeout_seconds: float = 30.0
    pause: Callable[[float], None] = time.sleep


class _InterruptedError(Exception):
    """The transfer broke off and is worth another try; `wait_seconds` is what the server asked for."""

    def __init__(self, reason: str, wait_seconds: float = 0.0) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(reason)


POLITE = Manners()


def fetch_file(remote: RemoteFile, folder: Path, report: Report, manners: Manners = POLITE) -> Path:
    """Fetch a file into a folder, unless it lies there already.

    Args:
        remote: what to fetch.
        folder: where to; made when it is absent.
        report: called with (bytes here, bytes in all), 0 for what is not known; several times a second while another
            process fetches the same file.
        manners: how to ask.

    Returns:
        The path of the file, whose content has the published checksum.

    Raises:
        DataError: the file cannot be had, or is not the published one; what arrived of it is kept only if it may be
            gone on with.
        StorageError: the folder cannot be written, or the file does not fit.
    """
    path = folder / remote.name
    with _storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f".{remote.name}.lock", report):
            if path.exists():
                _check_existing(remote, path)
            else:
                part = _Part(path, remote)
                _fetch_whole(remote, part, report, manners)
                part.path.replace(path)
                part.forget()
    return path


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            f"cannot write {path}: {reason}; free some space, or name another folder with --out"
        ) from error


@contextmanager
def _alone(path: Path, report: Report) -> Iterator[None]:
    """Hold a lock; the system releases it when the process ends, however it ends."""
    with path.open("w") as file:
        while not _try_lock(file.fileno()):
            report(0, 0)
            time.sleep(_POLL_SECONDS)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _check_existing(remote: RemoteFile, path: Path) -> None:
    if (found := file_digest(path)) != remote.sha256:
        raise DataError(
            f"{path} exists and is not the published file: its SHA-256 is {found}, published is {remote.sha256}; "
            "move it away to fetch it anew"
        )


class _Part:
    """What has arrived so far, and by what the server will recognise the version it belongs to."""

    def __init__(self, final: Path, remote: RemoteFile) -> None:
        self.final = final
        self.path = final.with_name(f".{final.name}.part")
        self._notes = final.with_name(f".{final.name}.part.json")
        self._remote = remote
        self.validator = self._known_validator()
        if not self.validator:
            self.clear("")

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _known_validator(self) -> str:
        """What the server called this version; empty where going on is not possible."""
        try:
            notes = json.loads(self._notes.read_text(encoding="utf-8"))
            return str(notes["validator"]) if notes["url"] == self._remote.url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def clear(self, validator: str) -> None:
        """Forget what has arrived; what comes next belongs to the version `validator`."""
        self.forget()
        self.validator = validator
        if validator:
            notes = {"url": self._remote.url, "validator": validator}
            write_file(self._notes, json.dumps(notes).encode())

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def append(self, blocks: Iterator[bytes], told: Callable[[int], None]) -> None:
        """Write blocks to the end; `told` gets the size after each."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            told(file.tell())
            for block in blocks:
                file.write(block)
                told(file.tell())
            file.flush()
            os.fsync(file.fileno())


def _fetch_whole(remote: RemoteFile, part: _Part, report: Report, manners: Manners) -> None:
    """Leave a verified file at `part.path`. A resumed one that is not the published one is fetched once more."""
    resumed = part.size_bytes > 0
    _fetch(remote, part, report, manners)
    found = file_digest(part.path)
    if found != remote.sha256 and resumed:
        part.clear("")
        _fetch(remote, part, report, manners)
        found = file_digest(part.path)
    if found != remote.sha256:
        part.forget()
        _refuse(
            remote,
            part,
            f"what came from {remote.url} has the SHA-256 {found}, not the published one; it was discarded",
        )


def _refuse(remote: RemoteFile, part: _Part, what: str) -> NoReturn:
    raise DataError(
        f"cannot fetch {remote.name}: {what}; by hand: bring it to {part.final} from {remote.url} "
        f"or elsewhere (SHA-256 {remote.sha256})"
    )


def _fetch(remote: RemoteFile, part: _Part, report: Report, manners: Manners) -> None:
    """Fetch what is missing, with as many attempts as it takes while there is progress."""
    import requests

    with _session(manners) as session:
        failures, most = 0, part.size_bytes
        while True:
            try:
                return _transfer(session, remote, part, report, manners)
            except _InterruptedError as error:
                # Progress is more than ever before: one that always starts again and breaks off makes none.
                failures = 1 if part.size_bytes > most else failures + 1
                most = max(most, part.size_bytes)
                if failures >= manners.attempts:
                    _refuse(remote, part, f"{error}, {failures} times in a row")
                manners.pause(max(error.wait_seconds, 2.0 ** (failures - 1)))
            except (requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
                _refuse(remote, part, f"{remote.url} leads to an address that is not https")
            except requests.exceptions.RequestException as error:
                _refuse(remote, part, f"{remote.url}: {_reason(error)}")


def _session(manners: Manners) -> Session:
    """A session that has no way to reach addresses of other schemes, redirected to or not."""
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.adapters.clear()
    for scheme in manners.schemes:
        session.mount(scheme, HTTPAdapter())
    return session


def _transfer(session: Session, remote: RemoteFile, part: _Part, report: Report, manners: Manners) -> None:
    """One request: the rest of the file, or all of it where the server has another version or knows no ranges."""
    from requests import exceptions

    headers = {"Accept-Encoding": "identity"}
    if part.size_bytes and part.validator:
        headers |= {"Range": f"bytes={part.size_bytes}-", "If-Range": part.validator}
    try:
        with session.get(remote.url, headers=headers, stream=True, timeout=manners.timeout_seconds) as response:
            if _is_complete(response, part):
                return
            _prepare(response, remote, part)
            total = _expected_bytes(response, part)
            _check_room(total, part)
            part.append(response.iter_content(_BLOCK_BYTES), lambda size: report(size, total))
    except exceptions.SSLError:
        raise
    except (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError) as error:
        raise _InterruptedError(f"{remote.url}: {_reason(error)}") from error
    if total and part.size_bytes != total:
        raise _InterruptedError(f"{remote.url} ended after {part.size_bytes:,} of {total:,} bytes")


def _is_complete(response: Response, part: _Part) -> bool:
    """Whether the server refuses the range because nothing is missing."""
    range_of = response.headers.get("Content-Range", "")
    return response.status_code == _RANGE_REFUSED and range_of == f"bytes */{part.size_bytes}"


def _prepare(response: Response, remote: RemoteFile, part: _Part) -> None:
    """Make the part ready for what the server is about to send."""
    status = response.status_code
    if status == _OK:
        part.clear(_validator(response))
    elif status == _PARTIAL:
        if _start_of(response) != part.size_bytes:
            part.clear("")
            raise _InterruptedError(f"{remote.url} sent another range than was asked for")
    elif status == _RANGE_REFUSED:
        part.clear("")
        raise _InterruptedError(f"{remote.url} refuses to go on")
    elif status in _WORTH_ANOTHER_TRY:
        raise _InterruptedError(f"{remote.url} answers {status} {response.reason}", _asked_to_wait(response))
    else:
        _refuse(remote, part, f"{remote.url} answers {status} {response.reason}")


def _validator(response: Response) -> str:
    """What If-Range may hold (RFC 9110, section 13.1.5): a strong ETag, else the date; empty where neither came."""
    tag = response.headers.get("ETag", "")
    if tag.startswith('"'):
        return str(tag)
    return str(response.headers.get("Last-Modified", ""))


def _start_of(response: Response) -> int:
    match = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else -1


def _expected_bytes(response: Response, part: _Part) -> int:
    """The size of the whole file, 0 where the server does not say."""
    length = response.headers.get("Content-Length", "")
    return part.size_bytes + int(length) if length.isdecimal() else 0


def _check_room(total: int, part: _Part) -> None:
    folder = part.final.parent
    missing, free = total - part.size_bytes, shutil.disk_usage(folder).free
    if missing > free:
        raise StorageError(
            f"cannot fetch {part.final.name}: {missing:,} bytes are to come and {free:,} are free in {folder}; "
            "free some space, or name another folder with --out"
        )


def _asked_to_wait(response: Response) -> float:
    seconds = response.headers.get("Retry-After", "")
    return min(float(seconds), _LONGEST_WAIT_SECONDS) if seconds.isdecimal() else 0.0


def _reason(error: BaseException) -> str:
    """The innermost reason: requests and urllib3 wrap what the system said several times."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    said = getattr(error, "strerror", None) or str(error)
    return " ".join(str(said).split()) or type(error).__name__
