"""Kills at chosen moments of a running command: what has to be seen on disk or in the tracker, and who is hit then."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.cli import PATIENCE_SECONDS, children, end, start

LOOK_SECONDS = 0.004
Victim = Literal["driver", "worker", "workers", "all"]


@dataclass(frozen=True)
class Moment:
    """Who is killed when.

    `reached` looks at a running command; `delay_s` is the longest random wait after it. `stage` names what has to be
    unfinished for the moment still to come, `""` if it always does.
    """

    name: str
    victim: Victim
    reached: Callable[[Watch], bool]
    delay_s: float = 0.0
    stage: str = ""


@dataclass
class Watch:
    """A running command, and what is new since it was started, or since its last worker was killed."""

    folder: Path
    command: Sequence[str]
    dead: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.root = self.folder / "mlruns"
        self.look()
        self.log = self.folder / "log.txt"
        self.process = start(*self.command, cwd=self.folder, log=self.log)

    def look(self) -> None:
        """What there is counts as old from now on."""
        self._old = {path: _changed(path) for path in self.root.rglob("*")}
        self._old_runs = len(runs(self.root))

    def new(self, pattern: str) -> list[Path]:
        """Files and folders below the root that have appeared or changed."""
        return [path for path in self.root.glob(pattern) if self._old.get(path) != _changed(path) is not None]

    def new_runs(self, pattern: str) -> bool:
        """Whether the tracker has a further run of such a name and status, as "NAME STATUS"."""
        found = runs(self.root)
        return len(found) > self._old_runs and any(re.fullmatch(pattern, run) for run in found[self._old_runs :])

    @property
    def workers(self) -> list[int]:
        """Its worker processes, those that were killed aside."""
        return sorted(set(children(self.process)) - self.dead)

    def strike(self, victim: Victim, rng: random.Random) -> None:
        """SIGKILL, which nobody can catch."""
        if victim in ("worker", "workers"):
            hit = self.workers if victim == "workers" else [rng.choice(self.workers)]
            self.dead |= set(hit)
            for pid in hit:
                os.kill(pid, signal.SIGKILL)
            self.look()
            return
        kill = os.kill if victim == "driver" else os.killpg
        kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def until(self, reached: Callable[[Watch], bool]) -> bool:
        """Wait for a moment; False when the command has ended without it."""
        patience = time.monotonic() + 2 * PATIENCE_SECONDS
        while not reached(self):
            assert time.monotonic() < patience, f"waited in vain:\n{self.log.read_text()}"
            if self.process.poll() is not None:
                return reached(self)
            time.sleep(LOOK_SECONDS)
        return True


def killed_at(folder: Path, command: Sequence[str], moments: Sequence[Moment], rng: random.Random) -> list[str]:
    """Start a command, strike at each of the moments that is still to come, and say at which; it never ends well.

    A moment that was too short to be seen is struck at once when its stage is finished: a command that came through
    would leave nothing to be killed at later moments. The last moment's victim has to be the driver or all.
    """
    left = [moment for moment in moments if not moment.stage or _unfinished(folder / "mlruns", moment.stage)]
    if not left:
        return []
    watch, hit = Watch(folder, command), []
    try:
        for moment in left:
            if not watch.until(lambda seen, moment=moment: moment.reached(seen) or _is_over(seen, moment)):
                break
            name = f"{moment.name}, or soon after" if _is_over(watch, moment) else moment.name
            time.sleep(rng.uniform(0.0, moment.delay_s))
            if watch.process.poll() is not None or (moment.victim.startswith("worker") and not watch.workers):
                continue
            said = watch.log.read_text().splitlines()
            watch.strike(moment.victim, rng)
            hit.append(f"{moment.victim} {name}; last said: {said[-1] if said else 'nothing'}")
            sys.stderr.write(f"killed {hit[-1]}\n")
    finally:
        end(watch.process)
    return hit


def _is_over(watch: Watch, moment: Moment) -> bool:
    return bool(moment.stage) and not _unfinished(watch.root, moment.stage)


def run_to_the_end(folder: Path, command: Sequence[str]) -> None:
    """Run a command that nobody kills; on a busy machine it may take its time."""
    watch = Watch(folder, command)
    try:
        assert watch.process.wait(5 * PATIENCE_SECONDS) == 0, watch.log.read_text()
    finally:
        end(watch.process)


def _unfinished(root: Path, stage: str, candidates: int = 2) -> bool:
    return len(list(root.glob(f"stages/{stage}-*"))) < candidates


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # gone
        return None


def runs(root: Path) -> list[str]:
    """Every run as "NAME STATUS", those in the bin included; none while there is no database, or it is written."""
    try:
        database = sqlite3.connect(f"file:{root / 'mlflow.db'}?mode=ro", uri=True, timeout=0)
    except sqlite3.OperationalError:
        return []
    try:
        return [f"{name} {status}" for name, status in database.execute("SELECT name, status FROM runs ORDER BY rowid")]
    except sqlite3.OperationalError:
        return []
    finally:
        database.close()
