"""How a sweep stands, as its file says and as the status verb prints it."""

import io
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from facerec_core.errors import StorageError, TrackingError
from facerec_core.types import Progress
from sweep import heartbeat
from sweep.console import Display
from sweep.heartbeat import Beat, RunningStage, beat_path, read_beat, read_beats, write_beat
from sweep.owner import Owner
from sweep.status import status
from tests.settings import settings

STAGE = RunningStage("0.5@128-640", "float", 31, 90, "loss 1.5", 62.0, 0.5)
COUNTS = {"complete": 5, "infeasible": 1, "failed": 1}


def beat(**changes) -> Beat:
    now = time.time()
    made = Beat(
        "mine",
        "python -m sweep multirun",
        Owner.here(),
        "running",
        now - 600,
        now,
        22,
        COUNTS,
        (STAGE,),
        "",
        1.5,
        720.0,
    )
    return replace(made, **changes)


def ended_process() -> Owner:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return Owner(Owner.here().host, process.pid, time.time())


def printed(root: Path, capsys, *overrides: str, as_json: bool = False) -> str:
    (given,) = settings(f"paths.root={root}", *overrides)
    assert status(given, as_json=as_json) == 0
    return capsys.readouterr().out


def test_a_running_sweep(tmp_path, capsys) -> None:
    write_beat(tmp_path, beat())
    lines = printed(tmp_path, capsys).splitlines()
    assert lines[0].startswith("mine: running since ")
    assert f"process {Owner.here().pid} on {Owner.here().host}" in lines[0]
    assert lines[1] == "  candidates  7 of 22 done (5 complete, 1 infeasible, 1 failed), 1 running, 14 waiting"
    assert lines[2] == "  pace        1.5 candidates a minute, about 12 min left"
    assert lines[3] == "  running     0.5@128-640 float 31/90 loss 1.5, for 1:02, 0.5 a second"
    assert lines[4] == "  command     python -m sweep multirun"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"owner": ended_process()}, "mine: killed: process"),
        ({"owner": Owner("elsewhere", 1, 1.0)}, "mine: running since"),
        (
            {"owner": Owner("elsewhere", 1, 1.0), "updated_unix": time.time() - 3600},
            "mine: silent: process 1 on elsewhere",
        ),
        ({"state": "finished", "running": ()}, "mine: finished "),
        ({"state": "interrupted"}, "mine: interrupted "),
        ({"state": "failed"}, "mine: failed "),
    ],
)
def test_what_became_of_it(tmp_path, capsys, changes, told) -> None:
    write_beat(tmp_path, beat(**changes))
    said = printed(tmp_path, capsys)
    assert said.startswith(told)
    assert ("was in      0.5@128-640 float" in said) == ("running" not in told and "running" not in changes)


def test_the_latest_all_and_one_by_name(tmp_path, capsys) -> None:
    write_beat(tmp_path, beat())
    write_beat(tmp_path, beat(sweep="later", started_unix=time.time()))
    assert [found.sweep for found in read_beats(tmp_path)] == ["later", "mine"]
    assert printed(tmp_path, capsys).startswith("later: ")
    assert printed(tmp_path, capsys, "sweep=mine").startswith("mine: ")
    (first, second) = json.loads(printed(tmp_path, capsys, "sweep=all", as_json=True))
    assert (first["sweep"], second["counts"], second["process"]) == ("later", COUNTS, "alive")


def test_a_file_is_replaced_and_a_damaged_one_is_named(tmp_path) -> None:
    assert read_beat(tmp_path, "mine") is None
    write_beat(tmp_path, beat())
    write_beat(tmp_path, beat(state="finished"))
    assert read_beat(tmp_path, "mine").state == "finished"
    assert [path.name for path in (tmp_path / "status").iterdir()] == ["mine.json"]
    beat_path(tmp_path, "mine").write_text("{")
    with pytest.raises(StorageError, match=r"status/mine\.json"):
        read_beat(tmp_path, "mine")


def test_without_any_sweep_it_says_what_to_do(tmp_path) -> None:
    (given,) = settings(f"paths.root={tmp_path}")
    with pytest.raises(TrackingError, match="run `python -m sweep multirun` first"):
        status(given)


def test_a_file_is_read_without_mlflow(tmp_path) -> None:
    write_beat(tmp_path, beat())
    check = f"""
import sys
from sweep.cli import main
main(["status", "paths.root={tmp_path}"])
sys.exit(any(name in sys.modules for name in ("mlflow", "tensorflow", "pandas")))
"""
    assert subprocess.run([sys.executable, "-c", check], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_a_display_keeps_the_file_of_its_sweep(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("sweep.console.BEAT_SECONDS", 0.01)

    def kept() -> Beat:
        found = read_beat(tmp_path, "mine")
        assert found is not None
        return found

    def interrupted() -> None:
        with Display(console=Console(file=io.StringIO())) as display:
            display.publish(tmp_path, "mine", "command")
            display.expect(5)
            display.finished("a", "not trained", "infeasible")
            display.name("k", "0.5@96-640")
            display.progress(Progress("k", "float", 3, 9, "loss 1"))
            while not kept().running:
                time.sleep(0.01)
            assert (kept().state, kept().counts, kept().waiting) == ("running", {"infeasible": 1}, 3)
            assert (kept().running[0].candidate, kept().running[0].stage) == ("0.5@96-640", "float")
            assert kept().owner.lives()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert kept().state == "interrupted"
    assert kept().seconds_left is None


def test_a_file_that_cannot_be_kept_is_said_once(tmp_path, monkeypatch) -> None:
    def full(_root, _beat) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sweep.console.write_beat", full)
    out = io.StringIO()
    with Display(console=Console(file=out, soft_wrap=True)) as display:
        display.publish(tmp_path, "mine", "command")
        display.expect(1)
    assert out.getvalue().count("the status file of sweep mine is not kept any longer") == 1


def test_a_number_of_a_process_that_is_used_again_is_another_process() -> None:
    here = Owner.here()
    assert here.lives() is True
    assert replace(here, born_unix=here.born_unix - 3600).lives() is False
    assert replace(here, host="elsewhere").lives() is None
    assert heartbeat.BEAT_SECONDS >= 1
