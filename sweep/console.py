"""What a person sees while a sweep runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from facerec_core import types

HEARTBEAT_SECONDS = 4.0


class Display:
    """Shows finished candidates and the stage of each running one; use it as a context manager.

    On a terminal it redraws itself; elsewhere a line is printed whenever a stage begins and every few seconds.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, soft_wrap=True, highlight=False)
        self._total, self._done = total, 0
        self._clock, self._started = clock, clock()
        self._names: dict[str, str] = {}
        self._last: dict[str, tuple[str, float]] = {}
        self._bars: dict[str, TaskID] = {}
        self._live = _bars(self.console) if self.console.is_terminal else None
        self._overall = self._live.add_task("candidates", total=total, note="") if self._live else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(text, markup=False)

    def name(self, key: str, name: str) -> None:
        """Tell what the candidate of a key is called."""
        self._names[key] = name

    def progress(self, event: types.Progress) -> None:
        """A sign of life from a candidate."""
        if self._live:
            self._redraw(event)
        else:
            self._print(event)

    def _redraw(self, event: types.Progress) -> None:
        assert self._live is not None  # noqa: S101 - for the type checker
        name = f"{self._names.get(event.key, event.key)} {event.stage}"
        if event.key not in self._bars:
            self._bars[event.key] = self._live.add_task(name, total=None, note="")
        self._live.update(
            self._bars[event.key], description=name, completed=event.done, total=event.total or None, note=event.note
        )

    def _print(self, event: types.Progress) -> None:
        stage, printed = self._last.get(event.key, ("", 0.0))
        now = self._clock()
        if event.stage == stage and now - printed < HEARTBEAT_SECONDS:
            return
        self._last[event.key] = (event.stage, now)
        count = f" {event.done}/{event.total}" if event.total else ""
        note = f" {event.note}" if event.note else ""
        name = self._names.get(event.key, event.key)
        self.say(f"[{self._elapsed()} {self._done}/{self._total}] {name} {event.stage}{count}{note}")

    def drop(self, key: str) -> None:
        """Stop showing something that is no candidate."""
        if self._live and key in self._bars:
            self._live.remove_task(self._bars.pop(key))

    def finished(self, key: str, text: str) -> None:
        """A candidate is done, one way or another."""
        self._done += 1
        if self._live and self._overall is not None:
            self._live.update(self._overall, completed=self._done)
        self.drop(key)
        self.say(f"[{self._elapsed()} {self._done}/{self._total}] {self._names.get(key, key)}: {text}")

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(self._clock() - self._started), 60)
        return f"{minutes}:{seconds:02d}"


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
