"""Sweeps that are interrupted, terminated, killed or started twice: nothing is lost, and nothing is left behind."""

import os
import re
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.cli import TINY, children, end, refused, session, start, sweep, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="watches processes through /proc"),
]

SWEEP = ("multirun", *TINY, "width=0.35,0.75", "train.epochs=40", "sweep=mine")
IN_TRAINING = re.compile(r"float \d+/\d+ loss")


def states(root: Path) -> list[tuple[str, str]]:
    """(name, status) of every run that is not in the bin."""
    with sqlite3.connect(f"file:{root / 'mlflow.db'}?mode=ro", uri=True) as database:
        query = "SELECT name, status FROM runs WHERE lifecycle_stage = 'active' ORDER BY name"
        found = database.execute(query).fetchall()
    database.close()
    return found


class Started:
    """A command in its own session, with what it has printed so far."""

    def __init__(self, folder: Path, *command: str) -> None:
        self._log = folder / "log.txt"
        self.process = start(*command, cwd=folder, log=self._log)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def until_said(self, pattern: re.Pattern[str]) -> None:
        wait_for(lambda: bool(pattern.search(self.said)), pattern.pattern, self.process)

    def ended(self) -> int:
        """Its status; every process it started has to be gone soon, too."""
        wait_for(lambda: self.process.poll() is not None, "the end")
        wait_for(lambda: not session(self.process), "the end of the workers")
        return self.process.returncode


@pytest.fixture
def begin(tmp_path):
    """Starts commands in `tmp_path`, and ends what is left of them after the test."""
    started = []

    def begin(*command: str) -> Started:
        started.append(Started(tmp_path, *command))
        return started[-1]

    yield begin
    for one in started:
        end(one.process)


def test_interrupted_killed_and_carried_on_to_the_end(begin, tmp_path) -> None:
    root = tmp_path / "mlruns"

    first = begin(*SWEEP)
    first.until_said(IN_TRAINING)
    os.killpg(first.process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
    assert first.ended() == 130, first.said
    assert first.said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in first.said
    assert states(root) == [("0.75@96-960", "FINISHED"), ("mine", "KILLED")]

    second = begin(*SWEEP)
    second.until_said(IN_TRAINING)
    second.process.kill()
    assert second.ended() == -signal.SIGKILL
    assert ("mine", "RUNNING") in states(root), "nobody was left to say otherwise"

    third = begin(*SWEEP)
    third.until_said(IN_TRAINING)
    os.kill(children(third.process)[0], signal.SIGKILL)
    assert "another process" in refused(*SWEEP, cwd=tmp_path)
    assert third.ended() == 0, third.said
    assert "worker process died" in third.said
    assert third.said.count("float loading TensorFlow") >= 2, "the candidate was tried again"
    names = [f"0.35@96-448{variant}" for variant in ("", " float32", " ptq_int8", " qat_int8")]
    assert states(root) == [(name, "FINISHED") for name in (*names, "0.75@96-960", "mine")]
    assert [path.name for path in (root / "stages").iterdir() if path.name.startswith(".")] == []


def test_terminated(begin, tmp_path) -> None:
    started = begin(*SWEEP)
    started.until_said(IN_TRAINING)
    started.process.terminate()
    assert started.ended() == 130, started.said
    assert "Traceback" not in started.said
    assert ("mine", "KILLED") in states(tmp_path / "mlruns")
    assert "RUNNING" not in {status for _, status in states(tmp_path / "mlruns")}


def test_two_sweeps_at_once_in_one_folder(begin, tmp_path) -> None:
    """On a cold database, with the same candidates, none of which has to be trained."""
    width = "width=0.75,1.0"
    both = [begin("multirun", *TINY, width, f"sweep={name}") for name in ("one", "two")]
    assert [one.ended() for one in both] == [0, 0]
    again = sweep("multirun", *TINY, width, "sweep=one", cwd=tmp_path)
    assert again.stderr.count("known from an earlier start") == 2
    expected = [("0.75@96-960", "FINISHED"), ("1@96-1280", "FINISHED")]
    assert states(tmp_path / "mlruns") == sorted([*expected, *expected, ("one", "FINISHED"), ("two", "FINISHED")])
