"""A sweep's own run in MLflow, as the rest of the program sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from facerec_core.errors import OptionError, TrackingError

LONGEST_TAG = 5000
"""Characters, by MLflow's documentation of a server's limit; the oldest commands are forgotten beyond."""
SweepStatus = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class SweepRun:
    """A sweep as the tracker knows it; `status` is MLflow's RUNNING, FINISHED, FAILED or KILLED.

    `started_unix` is when it was started for the last time, `command` what was typed then, `earlier_commands` what else
    was typed for it, the first one first.
    """

    run_id: str
    name: str
    status: str
    started_unix: float
    command: str
    target_far: float
    limits: Mapping[str, float | str | None]
    earlier_commands: tuple[str, ...] = ()


def sweep_of(run: Any) -> SweepRun:
    """The sweep that a run of level `sweep` stands for."""
    tags = run.data.tags
    return SweepRun(
        run_id=run.info.run_id,
        name=tags["sweep"],
        status=run.info.status,
        started_unix=float(tags["last_started"]),
        command=tags["command"],
        target_far=float(tags["target_far"]),
        limits=json.loads(tags["limits"]),
        earlier_commands=tuple(json.loads(tags.get("earlier_commands", "[]"))),
    )


def chosen(sweeps: tuple[SweepRun, ...], selector: str, uri: str) -> tuple[SweepRun, ...]:
    """The sweeps meant by `latest`, `all` or a name.

    Args:
        sweeps: all there are, the one started last first.
        selector: what was typed.
        uri: where they are from, for the message.

    Raises:
        TrackingError: there is no sweep yet.
        OptionError: there is none of that name.
    """
    if not sweeps:
        raise TrackingError(f"{uri}: holds no sweep yet; run `python -m sweep multirun` first")
    if selector in ("latest", "all"):
        return sweeps[:1] if selector == "latest" else sweeps
    names = [sweep.name for sweep in sweeps]
    if selector not in names:
        raise OptionError("sweep", selector, "latest, all, " + ", ".join(names))
    return (sweeps[names.index(selector)],)


def earlier_commands(tags: Mapping[str, str], command: str) -> str:
    """The tag of a sweep that is continued with `command`: what was typed for it before, each once, as a JSON list.

    Args:
        tags: of the sweep's run as it was.
        command: what is typed now.
    """
    known = [*json.loads(tags.get("earlier_commands", "[]")), tags["command"]]
    kept = [one for one in dict.fromkeys(known) if one != command]
    while len(text := json.dumps(kept)) > LONGEST_TAG:
        del kept[0]
    return text
