"""What a report costs: seconds, and bytes of its page, by the number of candidates.

The records are those of the tests (`tests/shown.py`): made up, of the shape of real ones, with intervals, bands,
searches and learning curves; `--limits` rules out the larger networks, without it every candidate is trained. Reading
them out of the tracker is not included. Loading the libraries that draw has a line of its own. There is no baseline.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from measuring import find_project


@dataclass(frozen=True)
class Took:
    """One report; `files` are all it wrote."""

    candidates: int
    trained: int
    seconds: float
    processor_seconds: float
    page_bytes: int
    all_bytes: int


def main() -> None:
    """Parse the arguments, write the reports, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", default="4,60,1000", help="how many, with commas; default: %(default)s")
    parser.add_argument("--limits", action="store_true", help="rule out the larger networks, as a real sweep does")
    parser.add_argument("--out", type=Path, help="keep the reports below this folder; default: a temporary one")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of the table")
    arguments = parser.parse_args()
    find_project()
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.out or Path(scratch)
        load(out)
        took = [measure(int(count), out, limited=arguments.limits) for count in arguments.candidates.split(",")]
    setting = {"cores": os.cpu_count(), "load_1min": round(os.getloadavg()[0], 2)}
    if arguments.json:
        print(json.dumps({"setting": setting, "reports": [asdict(one) for one in took]}, indent=1))
        return
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    print(f"{'candidates':>10}{'trained':>9}{'seconds':>9}{'processor':>11}{'page MB':>9}{'all MB':>8}")
    for one in took:
        sizes = f"{one.page_bytes / 1e6:9.2f}{one.all_bytes / 1e6:8.2f}"
        print(f"{one.candidates:10}{one.trained:9}{one.seconds:9.1f}{one.processor_seconds:11.1f}{sizes}")


def load(out: Path) -> None:
    """Import what draws, and say how long that took."""
    started = time.perf_counter(), time.process_time()
    measure(0, out, limited=True)
    wall, processor = time.perf_counter() - started[0], time.process_time() - started[1]
    print(f"libraries and an empty report: {wall:.1f} s, {processor:.1f} s of processor time")


def measure(count: int, out: Path, *, limited: bool) -> Took:
    """Write one report of `count` candidates."""
    from analysis.records import SweepInfo
    from analysis.report import write_report
    from tests.records import LIMITS, STARTED
    from tests.shown import shown_records

    command = "python -m sweep multirun width=0.35,0.5,0.75,1.0 res=range(96,225,32)"
    info = SweepInfo(f"of {count}", command, 1e-3, LIMITS if limited else {}, STARTED, "FINISHED", None)
    records = shown_records(count, limited=limited)
    started, processor = time.perf_counter(), time.process_time()
    paths = write_report(records, info, out / str(count))
    return Took(
        candidates=count,
        trained=sum(bool(record.variants) for record in records),
        seconds=time.perf_counter() - started,
        processor_seconds=time.process_time() - processor,
        page_bytes=paths.html.stat().st_size,
        all_bytes=sum(path.stat().st_size for path in paths.html.parent.iterdir()),
    )


if __name__ == "__main__":
    main()
