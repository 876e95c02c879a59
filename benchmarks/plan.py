"""The plan of the default grid as a whole process, against importing what it cannot do without.

Baseline: the same interpreter importing numpy, Rich and Hydra, and nothing else. Wall-clock seconds depend on what else
the machine does; processor seconds, user and system, of the child process hardly do. Every repeat has to print the
same plan; otherwise the benchmark ends with an error.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from measuring import Comparison, find_project, publish

OURS = ("-m", "sweep", "plan", "--json")
BASELINE = ("-c", "import numpy, rich, hydra")
CANDIDATES = 30


@dataclass(frozen=True)
class Took:
    """Seconds of one child process, or the least of several."""

    wall: float
    processor: float


def main() -> None:
    """Parse the arguments, run both commands in turn, print the least of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9, help="the fastest of them counts; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of the table")
    arguments = parser.parse_args()
    find_project()
    publish(compare(arguments.repeats), {"repeats": arguments.repeats}, as_json=arguments.json)


def compare(repeats: int) -> list[Comparison]:
    """Both commands in turn, so that a busy moment meets both.

    Raises:
        SystemExit: a plan of another length, or two plans that differ.
    """
    run(OURS)  # compiles what has changed
    ours, baseline, plans = [], [], set()
    for _ in range(repeats):
        took, text = run(OURS)
        ours.append(took)
        plans.add(text)
        baseline.append(run(BASELINE)[0])
    (only, *others) = plans
    if others or len(json.loads(only)) != CANDIDATES:
        raise SystemExit(f"got {len(plans)} different plans, allowed: the same {CANDIDATES} candidates every time")
    agreement = f"{CANDIDATES} candidates"
    return [
        Comparison("plan, processor", least(ours).processor, least(baseline).processor, agreement),
        Comparison("plan, wall clock", least(ours).wall, least(baseline).wall, agreement),
    ]


def run(arguments: Sequence[str]) -> tuple[Took, str]:
    """One process of this interpreter, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)  # noqa: S603  # ours
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime), done.stdout


def least(runs: Sequence[Took]) -> Took:
    """The least of each figure."""
    return Took(min(one.wall for one in runs), min(one.processor for one in runs))


if __name__ == "__main__":
    main()
