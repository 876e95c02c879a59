"""Measuring and importing where files, pipes, devices and processes are not what they should be."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli import SWEEP, children, end, environment, refused, session, start, wait_for

pytestmark = pytest.mark.slow

MEASURE = ("latency", "measure", "width=0.35", "res=96", "--runs", "3")
CONVERTING_BYTES = 300 * 2**20
"""A converter that holds so much has TensorFlow loaded."""


@pytest.mark.parametrize("out", ["/dev/full", "pipe", "file/host.csv", "."])
def test_a_table_that_cannot_be_written_is_told_at_once(tmp_path, out):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("in the way")
    assert refused(*MEASURE, "--out", out, cwd=tmp_path).startswith(f"cannot write {out}: ")
    assert not (tmp_path / "mlruns").exists()


def test_a_device_is_no_log(tmp_path):
    said = refused("latency", "import", "/dev/zero", "--board", "mine", cwd=tmp_path)
    assert said.startswith("cannot read /dev/zero: not a file")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "command", ["plan", "plan --json", "latency show --csv", "latency fit", "--help", "plan --cfg job"]
)
def test_output_that_cannot_be_written_is_one_line(tmp_path, command):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*SWEEP, *command.split()],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    assert done.stderr == "error: cannot write standard output: No space left on device\n"
    assert done.returncode == 2


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="watches processes through /proc")
class TestConverter:
    @pytest.fixture
    def converting(self, tmp_path):
        """The command while its converter works, and that converter's number."""
        process = start(*MEASURE, cwd=tmp_path, log=tmp_path / "log.txt")

        def at_work() -> list[int]:
            return [child for child in children(process) if resident_bytes(child) > CONVERTING_BYTES]

        wait_for(lambda: bool(at_work()), "the converter", process)
        yield process, at_work()[0]
        end(process)

    @pytest.mark.parametrize("how", ["kill", "terminate"])
    def test_it_ends_with_its_parent(self, converting, how, tmp_path):
        process, _ = converting
        getattr(process, how)()
        process.wait()
        wait_for(lambda: not session(process), "the end of the converter")
        assert not list((tmp_path / "mlruns/latency/models").iterdir())

    def test_that_it_was_killed_is_one_line(self, converting, tmp_path):
        process, converter = converting
        os.kill(converter, 9)
        assert process.wait(60) == 1
        said = (tmp_path / "log.txt").read_text()
        assert said.splitlines()[-1] == "error: the process that converts was killed; is there enough memory?"
        assert "Traceback" not in said


def resident_bytes(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):  # has just ended
        return 0
