"""Galleries that were cut, changed or made up, and disks that fill: nothing wrong is ever taken for a gallery."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from facerec_core.errors import DataError, StorageError
from facerec_core.gallery import files
from facerec_core.gallery.decoding import decode
from facerec_core.gallery.encoding import encode
from facerec_core.gallery.files import locked, read_gallery, write_galleries, write_gallery
from tests.galleries import empty, people, with_checksum

CONTENT = encode(people({"Ada": 2, "Bö": 1}))


def refused(content: bytes) -> str:
    with pytest.raises(DataError) as caught:
        decode(content, "faces.fpdb")
    assert str(caught.value).startswith("faces.fpdb: got ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("size", range(len(CONTENT)))
def test_truncated_at_every_length(size) -> None:
    refused(CONTENT[:size])


def test_anything_behind_the_end_is_noticed() -> None:
    assert "bytes, " in refused(CONTENT + b"\0")


def test_every_flipped_bit_is_noticed() -> None:
    for position in range(8 * len(CONTENT)):
        flipped = bytearray(CONTENT)
        flipped[position // 8] ^= 1 << position % 8
        refused(bytes(flipped))


def test_what_passes_the_checksum_is_a_gallery_or_refused() -> None:
    """Every byte set to several values, the checksum made to fit: whatever is accepted encodes to itself."""
    accepted = 0
    for position in range(len(CONTENT) - 4):
        for value in {0, 1, 127, 128, 255, CONTENT[position] ^ 1, CONTENT[position] ^ 128}:
            changed = bytearray(CONTENT)
            changed[position] = value
            content = with_checksum(bytes(changed))
            try:
                gallery = decode(content, "faces.fpdb")
            except DataError:
                continue
            accepted += 1
            assert encode(gallery) == content
    assert accepted > 100  # another model, side or threshold is no damage


@pytest.mark.parametrize(
    ("offset", "form", "value", "reason"),
    [
        (0, "4s", b"FPDC", "no gallery"),
        (4, "H", 2, "format version 2, allowed: 1"),
        (8, "I", 1, "bytes, 1 expected"),
        (12, "H", 0, "offsets"),
        (12, "H", 9, "offsets"),
        (16, "I", 2**32 - 1, "offsets"),
        (20, "I", 2**32 - 1, "offsets"),
        (24, "I", 0, "offsets"),
        (36, "I", 2**31, "offsets"),
        (41, "B", 3, "scheme 3"),
        (42, "B", 0, "method 0"),
        (43, "B", 0, "0 thresholds"),
        (43, "B", 5, "5 thresholds"),
        (44, "f", float("nan"), "scale"),
        (44, "f", 0.0, "scale"),
        (48, "H", 0, "side"),
        (52, "I", 1_000_001, "crop"),
        (56, "Q", 1, "reserved"),
        (96, "I", 1_000_000_001, "FAR beyond 1"),
        (100, "i", -(2**31), "threshold"),
        (104, "I", 5, "thresholds beyond the last"),
        (128, "I", 2**32 - 1, "length that is not the fingerprint's"),
        (128 + 3 * 12, "I", 1, "table of people"),
        (128 + 3 * 12 + 8, "I", 0, "table of people"),
        (128 + 3 * 12 + 12, "I", 2**32 - 1, "table of people"),
        (128 + 3 * 12 + 24, "B", 0, "the name of person 0"),
        (128 + 3 * 12 + 24, "B", 0xFF, "not UTF-8"),
        (128 + 3 * 12 + 24, "B", ord("Z"), "not in order"),
        (len(CONTENT) - 5, "B", 1, "name of person 1"),
    ],
)
def test_what_is_refused_though_the_checksum_fits(offset, form, value, reason) -> None:
    changed = bytearray(CONTENT)
    struct.pack_into(f"<{form}", changed, offset, value)
    assert reason in refused(with_checksum(bytes(changed)))


def test_noise_is_no_gallery() -> None:
    rng = np.random.default_rng(0)
    for size in range(300):
        refused(rng.bytes(size))
        refused(b"FPDB" + rng.bytes(size))


def test_a_gallery_on_disk_is_its_owners(tmp_path) -> None:
    path = tmp_path / "faces.fpdb"
    previous = os.umask(0)
    try:
        write_gallery(path, people({"Ada": 1}))
        write_gallery(path, people({"Bob": 2}))
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_gallery(path).names == ("Bob",)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_gallery_as_it_was(tmp_path, monkeypatch) -> None:
    path = tmp_path / "faces.fpdb"
    write_gallery(path, people({"Ada": 1}))
    before = path.read_bytes()

    def full(temporary, content) -> None:
        temporary.write_bytes(content[:50])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_file", full)
    with pytest.raises(StorageError, match=r"cannot write .*faces\.fpdb: No space left"):
        write_gallery(path, people({"Bob": 1}))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def three(tmp_path):
    """Two galleries that are there and one that is not; and what the folder holds."""
    paths = [tmp_path / f"people-{scheme}.fpdb" for scheme in ("float", "ptq", "qat")]
    for path in paths[:2]:
        write_gallery(path, people({"Ada": 1}))
    return paths, {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_galleries_are_replaced_together(three) -> None:
    paths, _ = three
    write_galleries({path: people({"Bob": 2}) for path in paths})
    assert [read_gallery(path).names for path in paths] == [("Bob",)] * 3
    assert {path: stat.S_IMODE(path.stat().st_mode) for path in paths[0].parent.iterdir()} == dict.fromkeys(
        paths, 0o600
    )


@pytest.mark.parametrize("writes", range(5))
def test_a_disk_that_fills_up_on_the_way_changes_no_gallery(three, monkeypatch, writes) -> None:
    """Three are new and two are copies of what was there: five writes."""
    paths, before = three
    left, write = iter(range(writes)), files.write_file

    def filling(temporary, content) -> None:
        if next(left, None) is None:
            temporary.write_bytes(content[:50])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(temporary, content)

    monkeypatch.setattr(files, "write_file", filling)
    with pytest.raises(StorageError, match=r"cannot write .*\.fpdb: No space left on device; free some space"):
        write_galleries({path: people({"Bob": 2}) for path in paths})
    assert {path: path.read_bytes() for path in paths[0].parent.iterdir()} == before


def renames_that_fail(monkeypatch, *numbers: int) -> None:
    """The renames of these numbers fail, counted from 1, as on a disk that has gone."""
    count, replace = iter(range(1, 100)), Path.replace

    def failing(self, target):
        if next(count) in numbers:
            raise OSError(errno.EIO, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_rename_that_fails_puts_the_earlier_galleries_back(three, monkeypatch, number) -> None:
    paths, before = three
    renames_that_fail(monkeypatch, number)
    with pytest.raises(StorageError, match=r"Input/output error; free some space, or write elsewhere$"):
        write_galleries({path: people({"Bob": 2}) for path in (paths[2], *paths[:2])})
    assert {path: path.read_bytes() for path in paths[0].parent.iterdir()} == before


def test_a_gallery_that_cannot_be_put_back_is_named(three, monkeypatch) -> None:
    paths, before = three
    renames_that_fail(monkeypatch, 2, 3)
    with pytest.raises(StorageError, match=r"people-ptq\.fpdb: Input.* holds the change: \S*people-float\.fpdb$"):
        write_galleries({path: people({"Bob": 2}) for path in paths})
    assert read_gallery(paths[0]).names == ("Bob",)
    assert paths[1].read_bytes() == before[paths[1]]
    assert sorted(paths[0].parent.iterdir()) == paths[:2]


def test_galleries_of_several_folders_are_locked_once_each(tmp_path) -> None:
    (tmp_path / "other").mkdir()
    paths = [tmp_path / "a.fpdb", tmp_path / "b.fpdb", tmp_path / "other" / "c.fpdb"]
    with locked(*paths):  # the lock of one folder, taken twice, would wait for itself
        for folder in (tmp_path, tmp_path / "other"):
            descriptor = os.open(folder, os.O_RDONLY)
            with pytest.raises(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(descriptor)
    with locked(*reversed(paths)):
        pass


def test_of_many_changes_at_once_none_is_lost(tmp_path) -> None:
    path = tmp_path / "faces.fpdb"
    write_gallery(path, empty())

    def enrol(number: int) -> None:
        with locked(path):
            write_gallery(path, people({f"P{number}": 1}, read_gallery(path)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enrol, range(8)))
    assert read_gallery(path).names == tuple(f"P{number}" for number in range(8))


def test_a_link_is_followed_and_stays(tmp_path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "faces.fpdb"
    link.symlink_to(tmp_path / "real" / "faces.fpdb")
    write_gallery(link, empty())
    assert link.is_symlink()
    assert (tmp_path / "real" / "faces.fpdb").is_file()


def test_files_that_cannot_be_read_are_named(tmp_path) -> None:
    with pytest.raises(DataError, match=r"absent\.fpdb: got no such file"):
        read_gallery(tmp_path / "absent.fpdb")
    with pytest.raises(StorageError, match="cannot read"):
        read_gallery(tmp_path)
    with pytest.raises(StorageError, match="make the folder first"), locked(tmp_path / "absent" / "faces.fpdb"):
        pass
