"""What builds that were killed leave behind, and who clears it away."""

import subprocess
import sys

from facerec_core.stages import StageStore, write_file
from tests.cli import environment

KILLED = """
import os, sys
from pathlib import Path
from facerec_core.stages import StageStore, write_file

with StageStore(Path(sys.argv[1])).create("float", "killed") as folder:
    write_file(folder / "weights.npz", b"1")
    os._exit(9)
"""


def _leave_unfinished(stages) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(stages)], env=environment(), check=False)


def test_leftovers_go_and_finished_and_growing_stages_stay(tmp_path) -> None:
    store = StageStore(tmp_path / "stages")
    store.clear_leftovers()
    assert not (tmp_path / "stages").exists()
    with store.create("float", "done") as folder:
        write_file(folder / "weights.npz", b"1")
    (tmp_path / "stages" / ".unrelated").mkdir()
    _leave_unfinished(tmp_path / "stages")
    assert len(list((tmp_path / "stages").glob(".float-*"))) == 1
    with store.create("ptq", "growing") as folder:
        write_file(folder / "ptq_int8.tflite", b"1")
        StageStore(tmp_path / "stages").clear_leftovers()
    assert sorted(path.name for path in (tmp_path / "stages").iterdir()) == [".unrelated", "float-done", "ptq-growing"]
    assert store.folder("ptq", "growing").joinpath("ptq_int8.tflite").read_bytes() == b"1"
