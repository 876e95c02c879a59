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


def test_checkpoints_stay_until_their_stage_is_finished_or_forgotten(tmp_path) -> None:
    store = StageStore(tmp_path)
    for name in ("float", "qat"):
        write_file(store.checkpoint(name, "key"), b"1")
    write_file(store.checkpoint("float", "other"), b"1")
    with store.create("float", "key") as folder:
        write_file(folder / "weights.npz", b"1")
    store.clear_leftovers()
    assert not store.checkpoint("float", "key").exists()
    assert store.checkpoint("qat", "key").exists()
    store.discard("qat", "key")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".resume-float-other.npz", "float-key"]


def test_the_unfinished_checkpoint_of_a_dead_process_goes(tmp_path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from facerec_core.stages import hidden_mark\n"
        "(Path(sys.argv[1]) / (hidden_mark('resume-float-key') + 'x')).write_bytes(b'1')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment(), check=True)
    assert len(list(tmp_path.iterdir())) == 1
    StageStore(tmp_path).clear_leftovers()
    assert list(tmp_path.iterdir()) == []
