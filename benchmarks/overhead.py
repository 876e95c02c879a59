"""What a sweep costs beside its stages: composing, costing, reading back, tracking, the display; and a finished sweep.

N candidates go through the real command, `python -m sweep multirun`, as a process. Their stage folders were made
beforehand: 0.35@96 with N seeds, real files of the embedded faces' cache, made-up figures that differ, .tflite files of
the size of real ones. So every stage is read back and none is built. The same command again is a finished sweep: it
must be quick and import no TensorFlow. Then `report`. The memory is that of the command's own process, sampled from
outside.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from measuring import find_project

if TYPE_CHECKING:
    from facerec_core.task import Task
    from facerec_core.types import RunRecord, VariantRecord

FACES = (
    "data.synthetic.train_identities=4",
    "data.synthetic.train_images=4",
    "data.synthetic.eval_identities=12",
    "data.synthetic.eval_images=3",
)
INT8_BYTES, FLOAT_BYTES = 331_000, 1_260_000
SAMPLE_SECONDS = 0.25
MB = 1e6


@dataclass(frozen=True)
class Took:
    """One command: wall-clock and processor seconds, and MB it held at quarters of its time."""

    command: str
    wall_seconds: float
    processor_seconds: float
    candidates: int
    memory_mb: tuple[float, ...]

    @property
    def milliseconds_a_candidate(self) -> float:
        """Wall-clock time, start of the process included, over the candidates."""
        return 1000 * self.wall_seconds / self.candidates


def main() -> None:
    """Parse the arguments, make the stages, run the commands, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=22, help="default: %(default)s")
    parser.add_argument("--folder", help="where to work; default: a temporary folder, removed afterwards")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of the table")
    arguments = parser.parse_args()
    find_project()
    with tempfile.TemporaryDirectory() as temporary:
        took = measure(arguments.candidates, Path(arguments.folder or temporary).absolute())
    load = round(os.getloadavg()[0], 2)
    if arguments.json:
        print(json.dumps({"load_1min": load, "commands": [asdict(one) for one in took]}, indent=1))
        return
    print(f"{arguments.candidates} candidates, load of the last minute {load}")
    print(f"{'command':16}{'wall s':>9}{'processor s':>13}{'ms a candidate':>16}  MB at quarters of its time")
    for one in took:
        memory = " ".join(f"{megabytes:.0f}" for megabytes in one.memory_mb)
        figures = f"{one.wall_seconds:9.1f}{one.processor_seconds:13.1f}{one.milliseconds_a_candidate:16.0f}"
        print(f"{one.command:16}{figures}  {memory}")


def measure(candidates: int, root: Path) -> list[Took]:
    """The sweep, the finished sweep, the report.

    Raises:
        SystemExit: a command failed, a candidate is missing, or the finished sweep imported TensorFlow.
    """
    seeds = f"seed=range(0,{candidates})" if candidates > 1 else "seed=0"
    overrides = [*FACES, "debug=fast", "width=0.35", "res=96", "sweep=overhead", seeds, f"paths.root={root}"]
    make_stages(overrides, root)
    first = run("sweep", ["multirun", *overrides], candidates)
    again = run("finished sweep", ["multirun", *overrides], candidates)
    report = run("report", ["report", "sweep=overhead", f"paths.root={root}"], candidates)
    found = len(json.loads((root / "reports" / "overhead" / "report.json").read_text())["front"])
    if not found:
        raise SystemExit("got a report without a front")
    return [first, again, report]


def make_stages(overrides: Sequence[str], root: Path) -> None:
    """Finished stage folders of every candidate, with one file of each kind under as many names."""
    from facerec_core.pipeline import is_finished
    from sweep.compose import open_composer
    from sweep.console import Display
    from sweep.points import make_points

    points = make_points(open_composer().many(overrides), root, Display())
    stages = root / "stages"
    stages.mkdir(parents=True, exist_ok=True)
    originals = {"int8": stages / "int8.bin", "float32": stages / "float32.bin"}
    originals["int8"].write_bytes(os.urandom(INT8_BYTES))
    originals["float32"].write_bytes(os.urandom(FLOAT_BYTES))
    for point in points:
        fill(point.task, originals)
    for original in originals.values():
        original.unlink()
    if not all(is_finished(point.task) for point in points):
        raise SystemExit("got stages that are not read as finished; see make_stages in benchmarks/overhead.py")


def fill(task: Task, originals: dict[str, Path]) -> None:
    """Write what each stage of a task leaves: notes, figures, and one file under its own name."""
    from facerec_core.notes import EvaluationNotes, StageNotes
    from facerec_core.record_json import dump_record
    from facerec_core.stages import StageStore
    from facerec_core.task import STAGE_OF
    from tests.records import make_record

    store = StageStore(Path(task.stages_dir))
    record = varied(make_record(task.candidate, seed=task.recipe.seed))
    for variant in record.variants:
        stage, name = STAGE_OF[variant.scheme], f"{variant.scheme}.tflite"
        folder = store.folder(stage, task.stage_key(stage))
        judged = store.folder(f"eval-{variant.scheme}", task.stage_key(f"eval-{variant.scheme}"))
        folder.mkdir()
        judged.mkdir()
        os.link(originals["float32" if variant.scheme == "float32" else "int8"], folder / name)
        curves = tuple(point for point in record.curves if point.phase == ("train" if stage == "float" else stage))
        (folder / "notes.json").write_text(dump_record(StageNotes(1.0, variant.file.size_bytes, curves)))
        found = replace(variant, file=replace(variant.file, path=f"{folder.name}/{name}"))
        (judged / "evaluation.json").write_text(dump_record(EvaluationNotes(1.0, found)))


def varied(record: RunRecord) -> RunRecord:
    """The record with figures and sizes by its seed, as those of networks differ; equal ones would all be best."""
    from tests.records import make_evaluation

    chance = random.Random(record.seed)  # noqa: S311 - for variety

    def vary(variant: VariantRecord) -> VariantRecord:
        skill, size_bytes = chance.gauss(1.6, 0.1), variant.file.size_bytes + chance.randrange(1000)
        splits = {split: make_evaluation(skill, split) for split in ("validation", "test")}
        return replace(variant, file=replace(variant.file, size_bytes=size_bytes), **splits)

    return replace(record, variants=tuple(vary(variant) for variant in record.variants))


def processor_seconds() -> float:
    """Of all processes that were begun here and have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(name: str, arguments: Sequence[str], candidates: int) -> Took:
    """A command as a process, watched from outside."""
    command = [sys.executable, "-X", "importtime", "-m", "sweep", *arguments]
    started, samples, before = time.perf_counter(), [], processor_seconds()
    with tempfile.TemporaryFile("w+") as output:
        process = psutil.Popen(command, stdout=output, stderr=output, cwd=Path(__file__).resolve().parents[1])
        while process.poll() is None:
            try:
                samples.append(process.memory_info().rss / MB)
            except psutil.NoSuchProcess:
                break
            time.sleep(SAMPLE_SECONDS)
        status = process.wait()
        wall, processor = time.perf_counter() - started, processor_seconds() - before
        output.seek(0)
        lines = output.read().splitlines()
    if status:
        raise SystemExit(f"{name} ended with {status}: " + "\n".join(lines[-5:]))
    if any(line.startswith("import time:") and line.split("|")[-1].strip() == "tensorflow" for line in lines):
        raise SystemExit(f"{name} imported TensorFlow")
    samples = [held for held in samples if held] or [0.0]  # of one that has just ended it is none
    quarters = tuple(samples[min(len(samples) * part // 4, len(samples) - 1)] for part in range(1, 5))
    return Took(name, wall, processor, candidates, quarters)


if __name__ == "__main__":
    main()
