"""Signs of life of a sweep in a tracker that other machines write to as well, whose processes cannot be asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

BEAT_SECONDS = 10.0
WATCH_SECONDS = 30.0
"""Three beats: one that is late is still heard."""
LAST_BEAT_SECONDS = 2.0
"""Not longer is the last one waited for, should the tracker be away."""
TAG = "beat"


@contextmanager
def beating(beat: Callable[[str], object]) -> Iterator[None]:
    """Call `beat` with a text that is never the same, at once and every BEAT_SECONDS, for the length of a block.

    A beat that fails is left out: what the sweep itself writes waits for the tracker and reports it.
    """
    stopped = threading.Event()

    def run() -> None:
        while True:
            with suppress(Exception):
                beat(repr(time.time()))
            if stopped.wait(BEAT_SECONDS):
                return

    thread = threading.Thread(target=run, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(LAST_BEAT_SECONDS)


def still_beats(heard: Callable[[], str | None]) -> bool:
    """Whether what is heard changes within WATCH_SECONDS; no clock of the other machine is trusted."""
    first, ends = heard(), time.monotonic() + WATCH_SECONDS
    while time.monotonic() < ends:
        time.sleep(WATCH_SECONDS / 30)
        if heard() != first:
            return True
    return False


@dataclass(frozen=True)
class Pulse:
    """The signs of life of sweeps, as a tag of their runs.

    A folder's own SQLite database has none: it is no place for several machines, and on one processes can be asked.
    """

    client: Any
    uri: str

    @property
    def is_kept(self) -> bool:
        """Whether other machines write to the tracker as well."""
        return not self.uri.startswith("sqlite:")

    def beating(self, run_id: str) -> AbstractContextManager[None]:
        """Leave signs of life for the length of a block."""
        return beating(lambda text: self.client.set_tag(run_id, TAG, text)) if self.is_kept else nullcontext()

    def lives(self, run_id: str) -> bool | None:
        """Whether a sweep's process leaves signs of life, which takes a while to tell; None where none does.

        Raises:
            MlflowException: the tracker cannot be read.
        """
        if not self.is_kept:
            return None
        return still_beats(lambda: self.client.get_run(run_id).data.tags.get(TAG))
