"""Disks and databases that cannot be used while a sweep runs."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from facerec_core.checkpoint import Checkpoint, State
from facerec_core.errors import StorageError, TrackingError
from facerec_core.gallery.files import read_gallery, write_galleries, write_gallery
from facerec_core.types import CurvePoint
from sweep.tracking import Tracker
from tests.cli import TINY, refused, sweep
from tests.galleries import people
from tests.records import make_records
from tests.sweeps import records_of
from tests.tiny_tflite import mean_colour_tflite

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system of so many KiB at tmp_path/disk; only root may do so."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(kibibytes: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(disk)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a small file system cannot be mounted here")
        return disk

    yield mount
    if os.path.ismount(disk):
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("kibibytes", [300, 7_200, 8_300], ids=["for the faces", "for the database", "for the stages"])
def test_a_full_disk_is_one_line(small_disk, tmp_path, kibibytes) -> None:
    disk = small_disk(kibibytes)
    done = sweep("run", *TINY, f"paths.root={disk}", "tracking.patience_s=1", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "paths.root=" in last
    assert "full" in last or "No space left" in last
    assert not list(disk.glob("stages/.*"))


def test_a_damaged_database(tmp_path) -> None:
    database = tmp_path / "mlruns" / "mlflow.db"
    database.parent.mkdir()
    database.write_text("no database at all" * 100)
    for verb in ("run", "report"):
        line = refused(verb, *TINY, cwd=tmp_path)
        assert str(database) in line
        assert "not a database" in line
        assert "move it away" in line
    assert database.read_text() == "no database at all" * 100
    assert not (tmp_path / "mlruns" / "stages").exists()


def test_a_disk_that_fills_up_while_an_epoch_is_kept_costs_that_epoch_only(small_disk) -> None:
    disk = small_disk(64)
    said = []
    checkpoint = Checkpoint(disk / ".resume-float-key.npz", "key", said.append)

    def epoch(number):
        noise = np.random.default_rng(number).normal(size=4_000).astype(np.float32)
        return State("train", number, (CurvePoint("train", number, {"loss": 1.0}),), [noise])

    checkpoint.write(epoch(1))
    (disk / "others").write_bytes(bytes(40_000))
    with pytest.raises(StorageError, match=r"\.resume-float-key\.npz: No space left.*paths\.root") as caught:
        checkpoint.write(epoch(2))
    assert isinstance(caught.value.__cause__, OSError), "which ends the sweep instead of the candidate"
    assert sorted(path.name for path in disk.iterdir()) == [".resume-float-key.npz", "others"]
    kept = checkpoint.read()
    assert (kept.epoch, kept.arrays[0].tolist()) == (1, epoch(1).arrays[0].tolist())
    (disk / "others").unlink()
    checkpoint.write(epoch(2))
    assert checkpoint.read().epoch == 2


def test_a_disk_that_fills_up_between_two_galleries_changes_neither(small_disk) -> None:
    disk = small_disk(64)
    paths = [disk / f"people-{scheme}_int8.fpdb" for scheme in ("ptq", "qat")]
    write_galleries(dict.fromkeys(paths, people({"Ada": 1})))
    block = os.statvfs(disk).f_frsize
    (disk / "others").write_bytes(bytes(os.statvfs(disk).f_bfree * block - block))
    before = {path: path.read_bytes() for path in disk.iterdir()}
    write_gallery(paths[0], people({"Ada": 1}))  # there is room for one
    with pytest.raises(
        StorageError, match=r"cannot write \S*people-\w+_int8\.fpdb: No space left on device; free some"
    ):
        write_galleries(dict.fromkeys(paths, people({"Ada": 1, "Bob": 1})))
    assert {path: path.read_bytes() for path in disk.iterdir()} == before
    (disk / "others").unlink()
    write_galleries(dict.fromkeys(paths, people({"Ada": 1, "Bob": 1})))
    assert [read_gallery(path).names for path in paths] == [("Ada", "Bob")] * 2


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def pages_lost(content: bytes) -> bytes:
    return content[:8192] + bytes(len(content) - 8192)


@pytest.mark.parametrize("damage", [half, pages_lost], ids=["half of it", "its pages"])
def test_a_database_that_was_damaged_after_a_sweep_is_named_and_can_be_made_again(tmp_path, damage) -> None:
    root = tmp_path / "mlruns"
    records = make_records(2)
    for variant in (variant for record in records for variant in record.variants):
        path = root / "stages" / variant.file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mean_colour_tflite(96))

    def track(root):
        tracker = Tracker.open(root, None, "faces")
        with tracker.sweep("mine", "python -m sweep multirun", {}, 1e-3, {}) as sweep_run:
            for record in records:
                tracker.log_candidate(sweep_run, record, root / "stages")
        return records_of(tracker, sweep_run)

    known = track(root)
    database = root / "mlflow.db"
    damaged = damage(database.read_bytes())
    database.write_bytes(damaged)
    for refuses in (track, lambda root: Tracker.open(root, None, "faces", create=False)):
        with pytest.raises(TrackingError) as caught:
            refuses(root)
        assert str(database) in str(caught.value)
        assert "move it away" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert database.read_bytes() == damaged, "whoever wants to rescue something from it finds it as it was"
    database.rename(root / "damaged.db")
    moved = root.rename(tmp_path / "moved")  # this process still has the old database open
    assert track(moved) == known
    assert len(known) == 2
