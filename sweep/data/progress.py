"""How far something is, on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sweep.console import HEARTBEAT_SECONDS

Unit = Literal["images", "bytes"]


class Bar:
    """Shows one thing after another; use it as a context manager. What takes no time shows nothing off a terminal."""

    def __init__(
        self, unit: Unit = "images", clock: Callable[[], float] = time.monotonic, console: Console | None = None
    ) -> None:
        self._console = console or Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
        self._unit, self._clock = unit, clock
        self._began = self._said = clock()
        self._live = _bars(self._console, unit) if self._console.is_interactive else None
        self._task = self._live.add_task("", total=None) if self._live else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, what: str, done: int, total: int) -> None:
        """Tell how far `what` is; a total of 0 means that it is not known."""
        if self._live and self._task is not None:
            self._live.update(self._task, description=what, completed=done, total=total or None)
        elif self._clock() - self._said >= HEARTBEAT_SECONDS:
            self._said = self._clock()
            minutes, seconds = divmod(int(self._said - self._began), 60)
            self._console.print(f"[{minutes}:{seconds:02d}] {what}: {self._amount(done, total)}", markup=False)

    def _amount(self, done: int, total: int) -> str:
        if self._unit == "bytes":
            return f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB" if total else f"{done / 1e6:,.1f} MB"
        return f"{done:,} of {total:,}" if total else f"{done:,}"


def _bars(console: Console, unit: Unit) -> Progress:
    amount: list[ProgressColumn] = [MofNCompleteColumn()]
    if unit == "bytes":
        amount = [DownloadColumn(), TransferSpeedColumn()]
    columns = (TextColumn("{task.description}", markup=False), BarColumn(30), *amount, TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)
