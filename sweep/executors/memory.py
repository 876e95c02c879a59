"""What the machine has, against what workers take."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from facerec_core.errors import OptionError

GB = 1e9
LEAST_GB = 1.0
"""What a worker needs at the very least: TensorFlow alone, imported and having converted a network, holds as much."""
_GROUPS = Path("/sys/fs/cgroup")
_LIMITS = {"memory.max": "memory.current", "memory/memory.limit_in_bytes": "memory/memory.usage_in_bytes"}
"""Where a container's limit stands, version 2 and 1, and what is taken of it."""


def machine_bytes() -> int:
    """The machine's memory, or what a container is allowed of it."""
    return int(min([psutil.virtual_memory().total, *(limit for limit, _ in _container())]))


def free_bytes() -> int:
    """What new processes can have without anything being swapped out, or a container's limit being reached."""
    return int(min([psutil.virtual_memory().available, *(max(limit - taken, 0) for limit, taken in _container())]))


def _container() -> list[tuple[int, int]]:
    """Bytes a container may have, and bytes it has; empty where there is no limit."""
    texts = [(_content(_GROUPS / limit), _content(_GROUPS / taken)) for limit, taken in _LIMITS.items()]
    return [(int(limit), int(taken or 0)) for limit, taken in texts if limit.isdecimal()]


def share_bytes(workers: int, memory_gb: float | None) -> float:
    """What each of so many workers may hold.

    Raises:
        OptionError: the machine does not have as much.
    """
    whole = machine_bytes() / GB
    share = whole / workers if memory_gb is None else memory_gb
    if workers > 1 and (share < LEAST_GB or share * workers > whole):
        most = max(int(whole // max(memory_gb or 0.0, LEAST_GB)), 1)
        said = f"at most {most} of {max(memory_gb or 0.0, LEAST_GB):g} GB each; this machine has {whole:.1f} GB"
        raise OptionError("workers", workers, said, f"set workers={most}, or executor.memory_gb lower")
    return share * GB


def crowded(workers: int) -> str | None:
    """A warning where there are more workers than cores."""
    cores = os.cpu_count() or 1
    if workers <= cores:
        return None
    return f"warning: workers={workers} on {cores} core(s): they take turns, and each holds memory of its own"


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:  # no such limit
        return ""
