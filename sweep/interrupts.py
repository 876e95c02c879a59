"""Ctrl-C and SIGTERM, so that a sweep ends tidily however often a key is pressed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Use as a context manager: inside it, the first of the two signals raises KeyboardInterrupt.

    Further ones are ignored until the block has ended, so that nothing interrupts the tidying.
    """

    def __init__(self) -> None:
        self._held = False
        self._came = False

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._interrupt) for number in SIGNALS}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        first, self._came = not self._came, True
        if first and not self._held:
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """An interrupt that comes during the block is raised at its end."""
        came, self._held = self._came, True
        try:
            yield
        finally:
            self._held = False
        if self._came and not came:
            raise KeyboardInterrupt


@contextmanager
def shielded_children() -> Iterator[None]:
    """Processes started in the block never see Ctrl-C, not even before their first line of Python has run."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
