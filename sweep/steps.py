"""What an action is doing, on standard error: a status line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, Self

from rich.console import Console
from rich.markup import escape

from sweep.console import HEARTBEAT_SECONDS


class Told(Protocol):
    """Whatever can be told what goes on."""

    def doing(self, text: str) -> None:
        """Tell what goes on now."""


class Steps:
    """Shows the current step; use it as a context manager."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
        self._clock, self._began, self._said = clock, clock(), clock()
        self._status = self._console.status("starting") if self._console.is_interactive else None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._status:
            self._status.stop()

    def doing(self, text: str) -> None:
        """Tell what goes on; off a terminal it is printed when nothing was for some seconds."""
        if self._status:
            self._status.update(escape(text))
        elif self._clock() - self._said >= HEARTBEAT_SECONDS:
            self._said = self._clock()
            minutes, seconds = divmod(int(self._said - self._began), 60)
            self._console.print(f"[{minutes}:{seconds:02d}] {text}", markup=False)
