import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from facerec_core.data.cache import ArraySpec, open_or_build, release
from facerec_core.errors import DataError, StorageError

FACES = np.random.default_rng(0).integers(0, 255, (10, 8, 8, 3), dtype=np.uint8)


class Builder:
    """Counts how often it was asked to build."""

    def __init__(self, faces=FACES, chunk=4):
        self.builds, self.waits, self.faces, self.chunk = 0, 0, faces, chunk

    def specs(self):
        self.builds += 1
        chunks = (self.faces[i : i + self.chunk] for i in range(0, len(self.faces), self.chunk))
        return {"images": ArraySpec(len(self.faces), self.faces.shape[1], chunks)}

    def wait(self):
        self.waits += 1

    def open(self, folder):
        return open_or_build(folder, self.specs, lambda: {"a.jpg": "broken"}, self.wait)


def mapped_bytes():
    """How much of the files this process has mapped is in its memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("view", [slice(None), slice(3, None)])
def test_released_images_leave_memory_and_stay_readable(entry, view):
    faces = np.random.default_rng(1).integers(0, 255, (200, 256, 256, 3), dtype=np.uint8)
    images = Builder(faces).open(entry).arrays["images"][view]
    before = mapped_bytes()
    total = int(images.sum(dtype=np.int64))
    assert mapped_bytes() > before + images.nbytes // 2
    release(images)
    assert mapped_bytes() < before + images.nbytes // 4
    assert total == int(images.sum(dtype=np.int64)) == int(faces[view].sum(dtype=np.int64))


def test_arrays_that_are_not_mapped_can_be_released_too():
    faces = FACES.copy()
    release(faces)
    assert np.array_equal(faces, FACES)


@pytest.fixture
def entry(tmp_path) -> Path:
    return tmp_path / "cache" / "key"


def test_an_entry_is_built_once_and_then_mapped(entry):
    builder = Builder()
    for _ in range(3):
        opened = builder.open(entry)
        assert np.array_equal(opened.arrays["images"], FACES)
        assert opened.notes == {"a.jpg": "broken"}
    assert builder.builds == 1
    assert isinstance(opened.arrays["images"], np.memmap)
    assert not opened.arrays["images"].flags.writeable
    assert sorted(path.name for path in entry.iterdir()) == ["images.npy", "manifest.json"]


def truncate(folder):
    data = (folder / "images.npy").read_bytes()
    (folder / "images.npy").write_bytes(data[:-5])


def flip_a_byte(folder):
    data = bytearray((folder / "images.npy").read_bytes())
    data[-100] ^= 1
    (folder / "images.npy").write_bytes(data)


def other_shape(folder):
    np.save(folder / "images.npy", FACES.reshape(10, 4, 16, 3))


def edit_manifest(change):
    def damage(folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        change(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip_a_byte,
        other_shape,
        lambda folder: (folder / "images.npy").unlink(),
        lambda folder: (folder / "images.npy").write_bytes(b""),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: (folder / "manifest.json").write_text("[]"),
        lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"),
        edit_manifest(lambda manifest: manifest.pop("notes")),
        edit_manifest(lambda manifest: manifest.update(format=0)),
        edit_manifest(lambda manifest: manifest["arrays"]["images"].update(count=11)),
        edit_manifest(lambda manifest: manifest["arrays"]["images"].update(unknown=1)),
        shutil.rmtree,
    ],
)
def test_a_damaged_entry_is_noticed_and_rebuilt(entry, damage):
    builder = Builder()
    builder.open(entry)
    damage(entry)
    assert np.array_equal(builder.open(entry).arrays["images"], FACES)
    assert builder.builds == 2
    builder.open(entry)
    assert builder.builds == 2


def test_a_copied_entry_is_taken_as_it_is(entry, tmp_path):
    builder = Builder()
    builder.open(entry)
    shutil.copytree(entry, tmp_path / "copy", copy_function=shutil.copyfile)
    builder.open(tmp_path / "copy")
    assert builder.builds == 1


def test_what_a_killed_build_left_is_cleared_away(entry):
    leftover = entry.parent / ".key.tmp"
    leftover.mkdir(parents=True)
    (leftover / "images.npy").write_bytes(b"half")
    Builder().open(entry)
    assert sorted(path.name for path in entry.parent.iterdir()) == [".key.lock", "key"]


def test_a_failing_build_leaves_nothing(entry):
    def chunks():
        yield FACES[:4]
        raise DataError("an image went missing")

    with pytest.raises(DataError, match="an image went missing"):
        open_or_build(entry, lambda: {"images": ArraySpec(10, 8, chunks())}, dict, lambda: None)
    assert [path.name for path in entry.parent.iterdir()] == []
    assert np.array_equal(Builder().open(entry).arrays["images"], FACES)


def test_a_full_disk_is_one_line_and_leaves_nothing(entry):
    def chunks():
        yield FACES[:4]
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"cannot write .*: No space left on device; .* paths.root=PATH") as raised:
        open_or_build(entry, lambda: {"images": ArraySpec(10, 8, chunks())}, dict, lambda: None)
    assert "\n" not in str(raised.value)
    assert [path.name for path in entry.parent.iterdir()] == []


def test_a_cache_folder_that_is_a_file_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write the image cache"):
        Builder().open(tmp_path / "file" / "key")


def test_threads_that_want_the_same_entry_build_it_once(entry):
    started = threading.Event()
    release = threading.Event()

    class Slow(Builder):
        def specs(self):
            started.set()
            assert release.wait(10)
            return super().specs()

        def wait(self):
            super().wait()
            release.set()

    builder, results = Slow(), []
    threads = [threading.Thread(target=lambda: results.append(builder.open(entry).arrays["images"])) for _ in range(3)]
    threads[0].start()
    assert started.wait(10)
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert builder.builds == 1
    assert builder.waits >= 1
    assert [np.array_equal(images, FACES) for images in results] == [True] * 3


def test_a_killed_process_leaves_no_lock_and_no_entry(entry):
    code = (
        "import os, pathlib; from facerec_core.data.cache import open_or_build;"
        f"open_or_build(pathlib.Path({str(entry)!r}), lambda: os._exit(9), dict, print)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert (entry.parent / ".key.tmp").is_dir()
    assert np.array_equal(Builder().open(entry).arrays["images"], FACES)
    assert sorted(path.name for path in entry.parent.iterdir()) == [".key.lock", "key"]
