"""What a person sees while a sweep runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from facerec_core import types

HEARTBEAT_SECONDS = 4.0


class Display:
    """Shows finished candidates and the stage of each running one; use it as a context manager.

    On a terminal it redraws itself. Elsewhere a line is printed whenever a candidate begins a stage and, from a
    thread, whenever nothing was printed for some seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
        self._total, self._done = 0, 0
        self._clock, self._started, self._said = clock, clock(), clock()
        self._doing = "starting"
        self._names: dict[str, str] = {}
        self._over: set[str] = set()
        self._running: dict[str, types.Progress] = {}
        self._shown: dict[str, tuple[str, float]] = {}
        self._bars: dict[str, TaskID] = {}
        self._live = _bars(self.console) if self.console.is_interactive else None
        self._overall = self._live.add_task("candidates", total=None, note="") if self._live else TaskID(0)
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat_on, daemon=True)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        else:
            self._heart.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        if self._live:
            self._live.stop()
        else:
            self._heart.join()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._said = self._clock()
        self.console.print(text, markup=False)

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
        if event.key in self._over:
            return
        self._running[event.key] = event
        if self._live:
            self._redraw(self._live, event)
            return
        stage, shown = self._shown.get(event.key, ("", 0.0))
        if event.stage != stage or self._clock() - shown >= HEARTBEAT_SECONDS:
            self._print(event)

    def beat(self) -> None:
        """Say where everything stands, if nothing was said for some seconds."""
        if self._clock() - self._said < HEARTBEAT_SECONDS:
            return
        for event in list(self._running.values()):
            self._print(event)
        if not self._running:
            self._say_with_count(self._doing)

    def finished(self, key: str, text: str) -> None:
        """A candidate is done, one way or another."""
        self._done += 1
        self._over.add(key)
        self._running.pop(key, None)
        if self._live:
            self._live.update(self._overall, completed=self._done)
            if key in self._bars:
                self._live.remove_task(self._bars.pop(key))
        self._say_with_count(f"{self._names.get(key, key)}: {text}")

    def _redraw(self, live: Progress, event: types.Progress) -> None:
        name = f"{self._names.get(event.key, event.key)} {event.stage}"
        if event.key not in self._bars:
            self._bars[event.key] = live.add_task(name, total=None, note="")
        total = event.total or None
        live.update(self._bars[event.key], description=name, completed=event.done, total=total, note=event.note)

    def _print(self, event: types.Progress) -> None:
        self._shown[event.key] = (event.stage, self._clock())
        count = f" {event.done}/{event.total}" if event.total else ""
        note = f" {event.note}" if event.note else ""
        self._say_with_count(f"{self._names.get(event.key, event.key)} {event.stage}{count}{note}")

    def _say_with_count(self, text: str) -> None:
        minutes, seconds = divmod(int(self._clock() - self._started), 60)
        count = f" {self._done}/{self._total}" if self._total else ""
        self.say(f"[{minutes}:{seconds:02d}{count}] {text}")

    def _beat_on(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS / 4):
            self.beat()


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
        transient=True,
    )
