"""A sweep's own run in MLflow, as the rest of the program sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

SweepStatus = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class SweepRun:
    """A sweep as the tracker knows it; `status` is MLflow's RUNNING, FINISHED, FAILED or KILLED.

    `started_unix` is when it was started for the last time, `command` what was typed then.
    """

    run_id: str
    name: str
    status: str
    started_unix: float
    command: str
    target_far: float
    limits: Mapping[str, float | str | None]


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
    )
