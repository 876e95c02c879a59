"""Whose a running sweep is: the machine and the process, and whether that process still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

BORN_WITHIN_S = 10.0
"""A clock that is set may move the time a process says it was started at; a number that is used again is far off."""


@dataclass(frozen=True)
class Owner:
    """A process on a machine; `born_unix` tells it from a later one with the same number."""

    host: str
    pid: int
    born_unix: float

    @classmethod
    def here(cls) -> Owner:
        """This process."""
        import psutil

        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time())

    def lives(self) -> bool | None:
        """Whether the process is still there; None where another machine would have to be asked."""
        import psutil

        if self.host != socket.gethostname():
            return None
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.born_unix) < BORN_WITHIN_S
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:  # somebody else's
            return True

    def tags(self) -> dict[str, str]:
        """As tags of a run in the tracker."""
        return {"host": self.host, "pid": str(self.pid), "process_started": repr(self.born_unix)}


def owner_of(tags: dict[str, str]) -> Owner | None:
    """The owner a run's tags name; None for a run of an earlier version, which names none."""
    try:
        return Owner(tags["host"], int(tags["pid"]), float(tags["process_started"]))
    except (KeyError, ValueError):
        return None
