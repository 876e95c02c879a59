"""The status verb: how a sweep stands, asked from another shell."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from sweep.heartbeat import Beat, RunningStage, read_beat, read_beats
from sweep.pace import about, clock_text
from sweep.schema import Settings

STALE_SECONDS = 60.0
"""A process of another machine whose last sign of life is older is taken to be gone."""
TRACKED = {"RUNNING": "running", "FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted"}


def status(settings: Settings, as_json: bool = False) -> int:
    """Print how `sweep` stands (null: the one started last; all: every one); 0.

    It is read from the file the sweep keeps below `paths.root`; of a sweep that left none the tracker is asked.

    Raises:
        OptionError: no sweep of that name.
        StorageError: a file cannot be read.
        TrackingError: there is no sweep, or the tracker cannot be read.
    """
    beats = find_beats(settings.paths.folder, settings.sweep or "latest")
    told = [(asdict(beat) | {"process": process_of(beat)}, lines_of(beat)) for beat in beats]
    if not told:
        told = [(found, list(_tracked_lines(found))) for found in tracked(settings)]
    if as_json:
        import json

        sys.stdout.write(json.dumps([found for found, _ in told], indent=1) + "\n")
    else:
        sys.stdout.write("\n".join("\n".join(lines) for _, lines in told) + "\n")
    return 0


def find_beats(root: Path, selector: str) -> tuple[Beat, ...]:
    """The sweeps meant by `latest`, `all` or a name that have left a file; errors as for `read_beat`."""
    if selector in ("latest", "all"):
        beats = read_beats(root)
        return beats[:1] if selector == "latest" else beats
    beat = read_beat(root, selector)
    return () if beat is None else (beat,)


def process_of(beat: Beat) -> str:
    """What became of the process: alive, gone, ended, or unknown where another machine has been silent for long."""
    if beat.state != "running":
        return "ended"
    lives = beat.owner.lives()
    if lives is None:
        return "alive" if time.time() - beat.updated_unix < STALE_SECONDS else "unknown"
    return "alive" if lives else "gone"


def lines_of(beat: Beat) -> list[str]:
    """How a sweep stands, in lines."""
    lines = [f"{beat.sweep}: {_state_text(beat)}", f"  candidates  {_count_text(beat)}"]
    if beat.state == "running" and process_of(beat) == "alive":
        lines += [f"  pace        {_pace_text(beat)}"]
        lines += [f"  running     {_stage_text(stage)}" for stage in beat.running]
        lines += [] if beat.running else [f"  doing       {beat.doing}"]
    else:
        lines += [f"  was in      {_stage_text(stage)}" for stage in beat.running]
    return [*lines, f"  command     {beat.command}"]


def _state_text(beat: Beat) -> str:
    process = f"process {beat.owner.pid} on {beat.owner.host}"
    ago = f"{clock_text(max(time.time() - beat.updated_unix, 0))} ago"
    since = datetime.fromtimestamp(beat.started_unix).astimezone().strftime("%Y-%m-%d %H:%M")
    told = {
        "alive": f"running since {since}, {process}, last sign of life {ago}",
        "gone": f"killed: {process} is gone, last sign of life {ago}; the same command goes on",
        "unknown": f"silent: {process}, last sign of life {ago}",
        "ended": f"{beat.state} {ago}",
    }
    return told[process_of(beat)]


def _count_text(beat: Beat) -> str:
    parts = ", ".join(f"{count} {name}" for name, count in beat.counts.items())
    running = f", {len(beat.running)} running" if beat.running else ""
    return f"{beat.done} of {beat.expected} done{f' ({parts})' if parts else ''}{running}, {beat.waiting} waiting"


def _pace_text(beat: Beat) -> str:
    rate, left = beat.candidates_a_minute, beat.seconds_left
    told = "not known before the first candidate is finished" if rate is None else f"{rate:.2g} candidates a minute"
    return told if left is None else f"{told}, about {about(left)} left"


def _stage_text(stage: RunningStage) -> str:
    count = f" {stage.done}/{stage.total}" if stage.total else ""
    rate = f", {stage.steps_a_second:.2g} a second" if stage.steps_a_second else ""
    note = f" {stage.note}" if stage.note else ""
    return f"{stage.candidate} {stage.stage}{count}{note}, for {clock_text(stage.seconds)}{rate}"


def tracked(settings: Settings) -> list[dict[str, object]]:
    """What the tracker knows of sweeps that keep no file: their state and how many candidates ended how."""
    from sweep.tracking import Tracker

    root, selector = settings.paths.folder, settings.sweep or "latest"
    tracker = Tracker.open(root, settings.tracking.uri, settings.tracking.experiment, create=False)
    return [
        {"sweep": sweep.name, "state": TRACKED.get(sweep.status, sweep.status), "command": sweep.command}
        | {"counts": tracker.count_candidates(sweep)}
        for sweep in tracker.find_sweeps(selector)
    ]


def _tracked_lines(found: Mapping[str, object]) -> Iterator[str]:
    counts = found["counts"]
    parts = ", ".join(f"{count} {name}" for name, count in counts.items()) if isinstance(counts, Mapping) else ""
    yield f"{found['sweep']}: {found['state']}, by the tracker; it keeps no file in status/"
    yield f"  candidates  {parts or 'none'}"
    yield f"  command     {found['command']}"
