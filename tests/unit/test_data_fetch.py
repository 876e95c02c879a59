"""Fetching from a real server on this machine that behaves as badly as servers do."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from facerec_core.data.fetch import POLITE, RemoteFile, fetch_file
from facerec_core.errors import DataError, StorageError

CONTENT = bytes(range(256)) * 6000
"""1.5 MB: several blocks."""


@dataclass
class Behaviour:
    """What the server does; `cuts` are the bytes after which its next answers break off."""

    content: bytes = CONTENT
    etag: str | None = '"one"'
    modified: str | None = None
    knows_ranges: bool = True
    says_length: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    retry_after: str | None = None
    location: str | None = None
    shifted: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args) -> None:
        pass

    def do_GET(self) -> None:
        b = self.behaviour
        b.asked.append(dict(self.headers))
        self.close_connection = True
        if b.statuses:
            self._head(b.statuses.pop(0), 0, **({"Retry-After": b.retry_after} if b.retry_after else {}))
            return
        if b.location:
            self._head(302, 0, Location=b.location)
            return
        start, total = self._start(), len(b.content)
        if start >= total:
            self._head(416, 0, **{"Content-Range": f"bytes */{total}"})
            return
        sent_from = start + 1 if b.shifted and start else start
        extra = {"Content-Range": f"bytes {sent_from}-{total - 1}/{total}"} if start else {}
        body = b.content[sent_from:]
        self._head(206 if start else 200, len(body) if b.says_length else None, **extra)
        self.wfile.write(body[: b.cuts.pop(0)] if b.cuts else body)

    def _start(self) -> int:
        """Where the answer begins: a range is only given on the version it was asked of."""
        b = self.behaviour
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in (b.etag, b.modified)
        return int(asked.removeprefix("bytes=").rstrip("-")) if asked and b.knows_ranges and same else 0

    def _head(self, status: int, length: int | None, **more: str) -> None:
        b = self.behaviour
        self.send_response(status)
        known = {"ETag": b.etag, "Last-Modified": b.modified, "Content-Length": None if length is None else str(length)}
        for name, value in (known | more).items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (Handler,), {"behaviour": behaviour}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/set.tgz"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def manners(pauses):
    return replace(POLITE, schemes=("https://", "http://"), attempts=3, pause=pauses.append)


@pytest.fixture
def fetch(tmp_path, manners):
    def fetched(url: str, content: bytes = CONTENT):
        told: list[tuple[int, int]] = []
        remote = RemoteFile("set.tgz", url, hashlib.sha256(content).hexdigest())
        path = fetch_file(remote, tmp_path / "sets", lambda *step: told.append(step), manners)
        return path, told

    return fetched


def files(tmp_path) -> set[str]:
    return {path.name for path in (tmp_path / "sets").iterdir()} - {".set.tgz.lock"}


def test_a_whole_file(fetch, tmp_path) -> None:
    with serving(Behaviour()) as url:
        path, told = fetch(url)
    assert path.read_bytes() == CONTENT
    assert files(tmp_path) == {"set.tgz"}
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_there_already_is_not_fetched(fetch) -> None:
    behaviour = Behaviour()
    with serving(behaviour) as url:
        fetch(url)
        fetch(url)
    assert len(behaviour.asked) == 1


def test_another_file_of_that_name_is_left_alone(fetch, tmp_path) -> None:
    mine = tmp_path / "sets" / "set.tgz"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    behaviour = Behaviour()
    with serving(behaviour) as url, pytest.raises(DataError, match=r"not the published file.*move it away"):
        fetch(url)
    assert mine.read_bytes() == b"mine"
    assert behaviour.asked == []


@pytest.mark.parametrize("validator", [{"etag": '"one"'}, {"etag": None, "modified": "Mon, 02 Nov 2026 10:00:00 GMT"}])
def test_a_cut_transfer_goes_on_where_it_broke_off(fetch, validator, pauses) -> None:
    behaviour = Behaviour(cuts=[524_288, 262_144], **validator)
    with serving(behaviour) as url:
        path, _ = fetch(url)
    assert path.read_bytes() == CONTENT
    assert [headers.get("Range") for headers in behaviour.asked] == [None, "bytes=524288-", "bytes=786432-"]
    assert pauses == [1.0, 1.0], "there was progress, so the waiting does not grow"


def test_a_later_start_goes_on_too(fetch, tmp_path) -> None:
    behaviour = Behaviour(cuts=[524_288, 0, 0])
    with serving(behaviour) as url:
        with pytest.raises(DataError, match=r"set.tgz.*by hand"):
            fetch(url)
        assert files(tmp_path) == {".set.tgz.part", ".set.tgz.part.json"}
        assert stat.S_IMODE((tmp_path / "sets" / ".set.tgz.part").stat().st_mode) == 0o600
        asked = len(behaviour.asked)
        path, told = fetch(url)
    assert path.read_bytes() == CONTENT
    assert behaviour.asked[asked]["Range"] == "bytes=524288-"
    assert told[0] == (524_288, len(CONTENT))
    assert files(tmp_path) == {"set.tgz"}


@pytest.mark.parametrize(
    "change",
    [{"knows_ranges": False}, {"etag": None}, {"etag": 'W/"weak"'}],
    ids=["server without ranges", "nothing to tell versions by", "a weak tag"],
)
def test_where_going_on_is_impossible_it_starts_again(fetch, change) -> None:
    behaviour = Behaviour(cuts=[524_288], **change)
    with serving(behaviour) as url:
        path, _ = fetch(url)
    assert path.read_bytes() == CONTENT
    assert len(behaviour.asked) == 2


def test_a_file_that_changed_meanwhile_is_fetched_whole(fetch) -> None:
    old = Behaviour(content=b"x" * len(CONTENT), cuts=[524_288, 0, 0])
    with serving(old) as url:
        with pytest.raises(DataError):
            fetch(url)
        old.content, old.etag = CONTENT, '"two"'
        path, _ = fetch(url)
    assert path.read_bytes() == CONTENT


def test_a_file_that_changed_under_the_same_tag_is_fetched_once_more(fetch) -> None:
    behaviour = Behaviour(content=b"x" * len(CONTENT), cuts=[524_288, 0, 0])
    with serving(behaviour) as url:
        with pytest.raises(DataError):
            fetch(url)
        behaviour.content = CONTENT
        path, _ = fetch(url)
    assert path.read_bytes() == CONTENT


def test_all_bytes_there_but_not_verified_yet(fetch, tmp_path) -> None:
    with serving(Behaviour()) as url:
        fetch(url)
        folder = tmp_path / "sets"
        (folder / "set.tgz").rename(folder / ".set.tgz.part")
        (folder / ".set.tgz.part.json").write_text(json.dumps({"url": url, "validator": '"one"'}))
        assert fetch(url)[0].read_bytes() == CONTENT


@pytest.mark.parametrize("notes", ["", "[]", '{"url": "elsewhere", "validator": "x"}', "\0\xff"])
def test_notes_that_belong_to_something_else_are_not_trusted(fetch, tmp_path, notes) -> None:
    folder = tmp_path / "sets"
    folder.mkdir()
    (folder / ".set.tgz.part").write_bytes(b"something else")
    (folder / ".set.tgz.part.json").write_text(notes, encoding="latin-1")
    behaviour = Behaviour()
    with serving(behaviour) as url:
        assert fetch(url)[0].read_bytes() == CONTENT
    assert "Range" not in behaviour.asked[0]


def test_another_range_than_was_asked_for_is_not_appended(fetch) -> None:
    behaviour = Behaviour(cuts=[524_288], shifted=True)
    with serving(behaviour) as url:
        assert fetch(url)[0].read_bytes() == CONTENT
    assert len(behaviour.asked) == 3


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(fetch, tmp_path) -> None:
    with serving(Behaviour()) as url, pytest.raises(DataError) as refused:
        fetch(url, content=b"what was published")
    message = str(refused.value)
    assert hashlib.sha256(CONTENT).hexdigest() in message
    assert hashlib.sha256(b"what was published").hexdigest() in message
    assert "by hand" in message
    assert files(tmp_path) == set()


def test_a_size_that_is_not_told_and_a_cut_are_noticed_by_the_checksum(fetch, tmp_path) -> None:
    with serving(Behaviour(says_length=False, cuts=[1000])) as url, pytest.raises(DataError, match="discarded"):
        fetch(url)
    assert files(tmp_path) == set()


def test_404_is_final(fetch, tmp_path, pauses) -> None:
    with serving(Behaviour(statuses=[404])) as url, pytest.raises(DataError, match="answers 404 Not Found; by hand"):
        fetch(url)
    assert pauses == []
    assert files(tmp_path) == set()


def test_an_overloaded_server_is_asked_again_when_it_says(fetch, pauses) -> None:
    with serving(Behaviour(statuses=[503, 429], retry_after="7")) as url:
        assert fetch(url)[0].read_bytes() == CONTENT
    assert pauses == [7.0, 7.0]


def test_patience_ends(fetch, pauses) -> None:
    with serving(Behaviour(statuses=[500] * 9)) as url, pytest.raises(DataError, match=r"500.*3 times in a row"):
        fetch(url)
    assert pauses == [1.0, 2.0]


def test_starting_again_and_again_is_no_progress(fetch) -> None:
    behaviour = Behaviour(cuts=[524_288, 262_144, 524_288, 131_072, 524_288], knows_ranges=False)
    with serving(behaviour) as url, pytest.raises(DataError, match="3 times in a row"):
        fetch(url)
    assert len(behaviour.asked) == 3


def test_nobody_there(fetch, tmp_path) -> None:
    with serving(Behaviour()) as url:
        pass
    with pytest.raises(DataError) as refused:
        fetch(url)
    message = str(refused.value)
    assert "Connection refused" in message
    assert str(tmp_path / "sets" / "set.tgz") in message
    assert "\n" not in message


def test_only_https_is_asked_and_followed(tmp_path, fetch) -> None:
    behaviour = Behaviour()
    with serving(behaviour) as url:
        remote = RemoteFile("set.tgz", url, "0" * 64)
        with pytest.raises(DataError, match="leads to an address that is not https"):
            fetch_file(remote, tmp_path / "sets", lambda *_: None)
        assert behaviour.asked == [], "no byte may leave over http"
        behaviour.location = "ftp://127.0.0.1/set.tgz"
        with pytest.raises(DataError, match="leads to an address that is not https"):
            fetch(url)


def test_a_full_disk_is_noticed_before_it_is_full(fetch, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1000))
    with serving(Behaviour()) as url, pytest.raises(StorageError, match="1,536,000 bytes are to come and 1,000 are"):
        fetch(url)
    assert "set.tgz" not in files(tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_a_disk_that_fills_up_on_the_way(fetch, tmp_path, monkeypatch) -> None:
    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *rest: real("/dev/full" if str(path).endswith(".part") else path, *rest)
    )
    with serving(Behaviour()) as url, pytest.raises(StorageError, match=r"No space left on device.*--out"):
        fetch(url)
    assert "set.tgz" not in files(tmp_path)


def test_a_folder_that_cannot_be_made(fetch, tmp_path) -> None:
    (tmp_path / "sets").write_text("a file")
    with serving(Behaviour()) as url, pytest.raises(StorageError, match=r"cannot write.*--out"):
        fetch(url)


def test_two_at_once_fetch_once(fetch) -> None:
    behaviour = Behaviour(cuts=[524_288])
    paths = []
    with serving(behaviour) as url:
        threads = [threading.Thread(target=lambda: paths.append(fetch(url)[0])) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [path.read_bytes() == CONTENT for path in paths] == [True, True]
    assert len(behaviour.asked) == 2, "the cut one and the rest of it; the second fetch found the file"
