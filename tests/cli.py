"""The command as a process: run to its end, or started and watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
SWEEP = [sys.executable, "-m", "sweep"]
PATIENCE_SECONDS = 240.0

# The smallest sweep that goes through every stage. Adaptive rounding takes a fifth of a minute a candidate and leaves
# the same kind of traces; the tutorial's sweep has it.
TINY = (
    "debug=fast",
    "res=96",
    "data.synthetic.train_identities=4",
    "data.synthetic.train_images=4",
    "data.synthetic.eval_identities=12",
    "data.synthetic.eval_images=3",
    "train.batch_size=4",
    "quant.qat.calibration_batches=1",
    "quant.ptq.rounding=nearest",
    "quant.qat.rounding=nearest",
)


def environment(**more: str) -> dict[str, str]:
    """This process's, with the checkout importable from any folder and plain output."""
    plain = {name: value for name, value in os.environ.items() if name not in ("SWEEP_ROOT", "FORCE_COLOR")}
    paths = [more.pop("PYTHONPATH", ""), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**plain, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}


def sweep(*arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; `more` goes into its environment."""
    return subprocess.run(
        [*SWEEP, *arguments],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def run_python(script: str, *arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run lines of Python, which find `arguments` in `sys.argv[1:]`, to their end."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def refused(*arguments: str, cwd: Path, **more: str) -> str:
    """Run a command that has to end with status 2 and one line of error; returns the line.

    Lines such as "[0:04] opening the tracker" do not count: they come when the machine is slow.
    """
    done = sweep(*arguments, cwd=cwd, **more)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("[")]
    assert line.startswith("error: "), done.stderr
    return line.removeprefix("error: ")


def start(*arguments: str, cwd: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start the command in a session of its own, its output going to `log`."""
    with log.open("wb") as out:
        return subprocess.Popen(
            [*SWEEP, *arguments],
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def wait_for(condition: Callable[[], bool], what: str, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until a condition holds; fails when it takes too long or the process ends before."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        assert process is None or process.poll() is None or condition(), f"the process ended before {what}"
        time.sleep(0.1)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The worker processes of a running command."""
    return [pid for pid, parent, line in _processes() if parent == process.pid and "spawn_main" in line]


def session(process: subprocess.Popen[bytes]) -> list[str]:
    """Command lines of what is still alive of a command that was started, dead ones not yet collected aside."""
    return [line for pid, _, line in _processes() if line and _session_of(pid) == process.pid]


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command and its workers for good, whatever state a failed test has left them in."""
    for pid in [pid for pid, _, line in _processes() if _session_of(pid) == process.pid]:
        os.kill(pid, signal.SIGKILL)
    process.wait()


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def _processes() -> list[tuple[int, int, str]]:
    """Process id, parent's id and command line of every process that can be seen; Linux only."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = folder.joinpath("stat").read_text()
            line = folder.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it has just ended
            continue
        found.append((int(folder.name), int(status.rpartition(")")[2].split()[1]), line))
    return found
