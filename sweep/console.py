"""What a person sees while a sweep runs: a live display, plain lines without a terminal, a file for other shells."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from facerec_core import types
from sweep.heartbeat import BEAT_SECONDS, Beat, RunningStage, State, write_beat
from sweep.owner import Owner
from sweep.pace import Pace, about, clock_text

HEARTBEAT_SECONDS = 4.0


@dataclass(frozen=True)
class _Published:
    """The sweep whose file is written, and whose it is."""

    root: Path
    sweep: str
    command: str
    owner: Owner
    started_unix: float


@dataclass(frozen=True)
class _Under:
    """A running candidate: its last sign of life, and the first one of its stage with the time it came."""

    event: types.Progress
    first: types.Progress
    since: float


class Display:
    """Shows finished candidates and the stage of each running one; use it as a context manager.

    On a terminal it redraws itself. Elsewhere a line is printed whenever a candidate begins a stage and, from a
    thread, whenever nothing was printed for some seconds. What `stays` is a line of its own on both. The same thread
    keeps the file that `status` reads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
        self._total, self._counts = 0, Counter[str]()
        self._clock, self._started, self._said = clock, clock(), clock()
        self._doing = "starting"
        self._names: dict[str, str] = {}
        self._over: set[str] = set()
        self._running: dict[str, _Under] = {}
        self._shown: dict[str, float] = {}
        self._pace = Pace()
        self._bars: dict[str, TaskID] = {}
        self._live = _bars(self.console) if self.console.is_interactive else None
        self._overall = self._live.add_task("candidates", total=None, note="", left="") if self._live else TaskID(0)
        self._published: _Published | None = None
        self._lock = threading.RLock()  # the thread reads what the other methods change
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat_on, daemon=True)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        self._heart.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._ended.set()
        self._heart.join()
        if self._live:
            self._live.stop()
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt | SystemExit)
        self._write("finished" if kind is None else "interrupted" if interrupted else "failed")

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._said = self._clock()
        self.console.print(text, markup=False)

    def publish(self, root: Path, sweep: str, command: str) -> None:
        """Keep `status/SWEEP.json` below `root` up to date from now on, for `python -m sweep status`."""
        self._published = _Published(root, sweep, command, Owner.here(), time.time())
        self._write("running")

    def foresee(self, weights: Mapping[str, float], seconds_a_weight: float | None = None) -> None:
        """Tell what the candidates' times are in proportion to, by key, and what a weight took in earlier sweeps."""
        self._pace.foresee(weights, seconds_a_weight)

    def expect(self, total: int) -> None:
        """Tell how many candidates there are."""
        self._total = total
        if self._live:
            self._live.update(self._overall, total=total)

    def doing(self, text: str) -> None:
        """Tell what goes on while no candidate has anything to show; printed only when it takes its time."""
        self._doing = text
        if self._live:
            self._live.update(self._overall, note=text)

    def name(self, key: str, name: str) -> None:
        """Tell what the candidate of a key is called."""
        self._names[key] = name

    def progress(self, event: types.Progress) -> None:
        """A sign of life from a candidate; one that arrives after its end is late and shows nothing."""
        with self._lock:
            if event.key not in self._over:
                self._hear(event)

    def _hear(self, event: types.Progress) -> None:
        before, now = self._running.get(event.key), self._clock()
        same_stage = before is not None and before.event.stage == event.stage
        self._running[event.key] = (
            _Under(event, before.first, before.since) if before and same_stage else _Under(event, event, now)
        )
        self._pace.heard(event.key, now)
        if self._live:
            self._redraw(self._live, event)
        due = not same_stage or now - self._shown.get(event.key, 0.0) >= HEARTBEAT_SECONDS
        if event.stays or (due and not self._live):
            self._print(event)

    def beat(self) -> None:
        """Say where everything stands, if nothing was said for some seconds."""
        with self._lock:
            if self._live or self._clock() - self._said < HEARTBEAT_SECONDS:
                return
            for under in self._running.values():
                self._print(under.event)
            if not self._running:
                self._say_with_count(self._doing)

    def finished(self, key: str, text: str, status: str = "done") -> None:
        """A candidate is done, one way or another; `status` is its record's."""
        with self._lock:
            self._finish(key, text, status)

    def _finish(self, key: str, text: str, status: str) -> None:
        self._counts[status] += 1
        self._over.add(key)
        self._running.pop(key, None)
        self._shown.pop(key, None)
        self._pace.ended(key, self._clock())
        if self._live:
            self._live.update(self._overall, completed=self._counts.total(), left=self._left_text())
            if key in self._bars:
                self._live.remove_task(self._bars.pop(key))
        self._say_with_count(f"{self._names.get(key, key)}: {text}")

    def snapshot(self, state: State = "running") -> Beat | None:
        """How the sweep stands; None before it was published."""
        if self._published is None:
            return None
        made = self._published
        return Beat(
            sweep=made.sweep,
            command=made.command,
            owner=made.owner,
            state=state,
            started_unix=made.started_unix,
            updated_unix=time.time(),
            expected=self._total,
            counts=dict(self._counts),
            running=tuple(self._stage_of(under) for under in self._running.values()),
            doing=self._doing,
            candidates_a_minute=self._pace.a_minute(),
            seconds_left=self._seconds_left() if state == "running" else None,
        )

    def _stage_of(self, under: _Under) -> RunningStage:
        event, seconds = under.event, self._clock() - under.since
        steps = event.done - under.first.done
        rate = steps / seconds if steps > 0 and seconds > 0 else None
        name = self._names.get(event.key, event.key)
        return RunningStage(name, event.stage, event.done, event.total, event.note, seconds, rate)

    def _seconds_left(self) -> float | None:
        waiting = max(self._total - self._counts.total() - len(self._running), 0)
        return self._pace.seconds_left(self._clock(), waiting) if self._running or waiting else None

    def _left_text(self) -> str:
        left = self._seconds_left()
        return "" if left is None else f"about {about(left)} left"

    def _redraw(self, live: Progress, event: types.Progress) -> None:
        name = f"{self._names.get(event.key, event.key)} {event.stage}"
        if event.key not in self._bars:
            self._bars[event.key] = live.add_task(name, total=None, note="", left="")
        total = event.total or None
        live.update(self._bars[event.key], description=name, completed=event.done, total=total, note=event.note)

    def _print(self, event: types.Progress) -> None:
        self._shown[event.key] = self._clock()
        count = f" {event.done}/{event.total}" if event.total else ""
        note = f" {event.note}" if event.note else ""
        self._say_with_count(f"{self._names.get(event.key, event.key)} {event.stage}{count}{note}")

    def _say_with_count(self, text: str) -> None:
        elapsed = clock_text(self._clock() - self._started)
        count = f" {self._counts.total()}/{self._total}" if self._total else ""
        left = self._left_text()
        self.say(f"[{elapsed}{count}{', ' if left else ''}{left}] {text}")

    def _write(self, state: State) -> None:
        """Keep the file; a disk that is full, or a folder that is gone, is said once and ends the keeping."""
        with self._lock:
            beat = self.snapshot(state)
            if beat is None or self._published is None:
                return
            try:
                write_beat(self._published.root, beat)
            except OSError as error:
                self._published = None
                self.say(f"the status file of sweep {beat.sweep} is not kept any longer: {error}")

    def _beat_on(self) -> None:
        while not self._ended.wait(min(BEAT_SECONDS, HEARTBEAT_SECONDS / 4)):
            self.beat()
            self._write("running")
            if self._live:
                with self._lock:
                    self._live.update(self._overall, left=self._left_text())


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
        transient=True,
    )
