"""Disks and databases that cannot be used while a sweep runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli import TINY, refused, sweep

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
    done = sweep("run", *TINY, f"paths.root={disk}", cwd=tmp_path)
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
