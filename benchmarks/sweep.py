"""Seconds a sweep takes, against the same candidates through a plain script: `benchmarks/plain_sweep.py`.

Faces are rendered and written as JPEG files, split by identity; both ways get the same files, splits, networks,
epochs, batch size and loss. The plain script runs once a candidate, one after another, with all cores; the sweep is
`python -m sweep multirun` as a process. Everything counts: starting, imports, tracking. The figures of both stand side
by side: validation, all pairs; with several seeds their means over these, and the interval of the difference.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measuring import Comparison, find_project, publish

ROOT = Path(__file__).resolve().parents[1]
SCHEMES = ("float32", "ptq_int8", "qat_int8")
JPEG_SIDE, JPEG_QUALITY = 160, 92
Figures = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Took:
    """Wall-clock and processor seconds of one way, its processes and theirs included."""

    wall_seconds: float
    processor_seconds: float


@dataclass(frozen=True)
class Through:
    """One candidate, one way: seconds by stage, and validation figures by scheme."""

    candidate: str
    seed: int
    seconds: Mapping[str, float]
    figures: Figures


def main() -> None:
    """Parse the arguments, make the faces, run both ways, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", default="0.35,0.5", help="default: %(default)s")
    parser.add_argument("--resolutions", default="96,128", help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=1, help="of every candidate, from 0 on; default: %(default)s")
    parser.add_argument("--identities", type=int, default=100, help="people, of all splits; default: %(default)s")
    parser.add_argument("--images", type=int, default=16, help="images of each; default: %(default)s")
    parser.add_argument("--epochs", type=int, default=6, help="of the float network; default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2, help="of the sweep; default: %(default)s")
    parser.add_argument("--folder", help="where to work; default: a temporary folder, removed afterwards")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of the table")
    arguments = parser.parse_args()
    find_project()
    with tempfile.TemporaryDirectory() as temporary:
        compare(arguments, Path(arguments.folder or temporary).absolute())


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    """Both ways, one after the other, and what they came to.

    Raises:
        SystemExit: an earlier run is in the folder, whose stages would be read back, or a command failed.
    """
    if (folder / "ours").exists():
        raise SystemExit(f"--folder: got {folder}, where an earlier run is, allowed: a new folder")
    faces = write_faces(folder / "faces", arguments.identities, arguments.images)
    overrides = recipe_lines(arguments, faces)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(described(overrides)))
    axes = arguments.widths.split(","), arguments.resolutions.split(","), map(str, range(arguments.seeds))
    points = list(itertools.product(*axes))
    ours_took, ours = run_sweep(overrides, arguments, folder / "ours")
    plain_took, plain = run_plain(manifest, points, folder / "plain")
    gaps = [abs(a.figures[s]["auc"] - b.figures[s]["auc"]) for a, b in zip(ours, plain, strict=True) for s in SCHEMES]
    task = f"{len(points)} candidates"
    shared = {"largest gap of AUC": round(max(gaps), 4), "mean gap": round(statistics.fmean(gaps), 4)}
    agreement = ", ".join(f"{name} {value}" for name, value in shared.items())
    setting = {name: value for name, value in vars(arguments).items() if name not in ("json", "folder")}
    walls = Comparison(task, ours_took.wall_seconds, plain_took.wall_seconds, agreement)
    processors = Comparison("processor seconds", ours_took.processor_seconds, plain_took.processor_seconds, "")
    publish([walls, processors], setting, as_json=arguments.json)
    if arguments.json:
        print(json.dumps({"ours": [asdict(one) for one in ours], "plain": [asdict(one) for one in plain]}, indent=1))
        return
    print(f"ours / plain: {1 / walls.ratio:.2f} by the wall clock, {1 / processors.ratio:.2f} of processors; goal 0.50")
    print_figures(ours, plain)
    print_differences(ours, plain)
    print_seconds("ours", ours, ours_took)
    print_seconds("plain", plain, plain_took)


def write_faces(folder: Path, identities: int, images: int) -> Path:
    """JPEG files of rendered people, a folder each; they are kept when they are there already."""
    from PIL import Image

    from facerec_core.data.loader import open_source
    from sweep.compose import open_composer

    lines = [f"data.synthetic.train_identities={identities}", f"data.synthetic.train_images={images}"]
    source = open_source(open_composer().one(lines).data)
    for ref in source.index().train:
        path = folder / Path(ref.identity).name / f"{Path(ref.name).name}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            out = io.BytesIO()
            Image.fromarray(source.read(ref, JPEG_SIDE)).save(out, "JPEG", quality=JPEG_QUALITY)
            path.write_bytes(out.getvalue())
    return folder


def recipe_lines(arguments: argparse.Namespace, faces: Path) -> list[str]:
    """What both ways share, as the command's overrides."""
    return [
        "data=folder",
        f"data.root={faces}",
        f"train.epochs={arguments.epochs}",
        f"train.batch_size={arguments.batch_size}",
        "train.settle_batches=0",  # as in Keras' guide
        "quant.qat.freeze_batch_norm=false",  # as in tfmot's guide
        "target_far=1e-2",
        "budget=none",
    ]


def described(overrides: Sequence[str]) -> dict[str, Any]:
    """The same for the plain script: numbers, and the files of each split."""
    from facerec_core.data.loader import open_source
    from sweep.compose import open_composer

    settings = open_composer().one(overrides)
    index, root = open_source(settings.data).index(), Path(str(settings.data.root))
    splits = {
        name: [(str(root / ref.name), ref.identity) for ref in getattr(index, name)]
        for name in ("train", "validation", "test")
    }
    every = max(len(splits["train"]) // settings.quant.ptq.calibration_images, 1)
    train, qat = asdict(settings.train), asdict(settings.quant.qat)
    return {"train": train, "qat": qat, "calibration_every": every, "splits": splits}


def run_sweep(overrides: Sequence[str], arguments: argparse.Namespace, root: Path) -> tuple[Took, list[Through]]:
    """The sweep as a process, and its records."""
    seeds = ",".join(map(str, range(arguments.seeds)))
    grid = [
        f"width={arguments.widths}",
        f"res={arguments.resolutions}",
        f"seed={seeds}",
        f"workers={arguments.workers}",
    ]
    took = timed(["-m", "sweep", "multirun", *overrides, *grid, f"paths.root={root}", "sweep=compared"])
    from sweep.tracking import Tracker

    tracker = Tracker.open(root, None, "facerec-sweep", create=False)
    records = tracker.load_records(tracker.find_sweeps("compared")[0])
    return took, [
        Through(
            f"{record.candidate.width:g}@{record.candidate.resolution}",
            record.seed,
            record.stage_seconds,
            {
                variant.scheme: {"auc": variant.validation.auc, "eer": variant.validation.eer}
                for variant in record.variants
            },
        )
        for record in records
    ]


def run_plain(manifest: Path, points: Sequence[tuple[str, str, str]], out: Path) -> tuple[Took, list[Through]]:
    """The plain script, a process a candidate, in the order of the records."""
    tooks, found = list[Took](), []
    script = str(ROOT / "benchmarks" / "plain_sweep.py")
    for width, res, seed in points:
        folder = out / f"{width}_{res}_{seed}"
        point = ["--width", width, "--res", res, "--seed", seed]
        tooks.append(timed([script, str(manifest), *point, "--out", str(folder)]))
        result = json.loads((folder / "result.json").read_text())
        figures = {scheme: splits["validation"] for scheme, splits in result["figures"].items()}
        found.append(Through(f"{float(width):g}@{res}", int(seed), result["seconds"], figures))
    wall, processor = (
        sum(seconds) for seconds in zip(*((t.wall_seconds, t.processor_seconds) for t in tooks), strict=True)
    )
    return Took(wall, processor), found


def timed(arguments: Sequence[str]) -> Took:
    """Seconds of a Python process, from its start to its end.

    Raises:
        SystemExit: it failed.
    """
    started, before = time.perf_counter(), processor_seconds()
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    took = Took(time.perf_counter() - started, processor_seconds() - before)
    if done.returncode:
        raise SystemExit(f"{arguments} ended with {done.returncode}:\n" + "\n".join(done.stderr.splitlines()[-20:]))
    figures = f"{took.wall_seconds:.0f} s, {took.processor_seconds:.0f} s of processors, load {os.getloadavg()[0]:.1f}"
    print(f"{' '.join(arguments[-6:])}: {figures}", file=sys.stderr)
    return took


def processor_seconds() -> float:
    """Of all processes that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def print_figures(ours: Sequence[Through], plain: Sequence[Through]) -> None:
    """Validation AUC and EER of both, side by side."""
    print(f"\n{'candidate':18}{'variant':12}{'AUC ours':>10}{'plain':>8}{'EER ours':>10}{'plain':>8}")
    for a, b in zip(ours, plain, strict=True):
        for scheme in SCHEMES:
            mine, other = a.figures[scheme], b.figures[scheme]
            aucs, eers = f"{mine['auc']:10.3f}{other['auc']:8.3f}", f"{mine['eer']:10.3f}{other['eer']:8.3f}"
            print(f"{f'{a.candidate} seed {a.seed}':18}{scheme:12}{aucs}{eers}")


def print_differences(ours: Sequence[Through], plain: Sequence[Through]) -> None:
    """How much more AUC ours has on average, with its 95 % interval by Student's t, each network being one draw."""
    from scipy.stats import t

    for scheme in SCHEMES:
        gains = [a.figures[scheme]["auc"] - b.figures[scheme]["auc"] for a, b in zip(ours, plain, strict=True)]
        if len(gains) > 1:
            mean, half = statistics.fmean(gains), statistics.stdev(gains) / len(gains) ** 0.5
            half *= float(t.ppf(0.975, len(gains) - 1))
            print(f"{scheme}: AUC of ours minus plain {mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f})")


def print_seconds(name: str, ways: Sequence[Through], took: Took) -> None:
    """Where the time of one way goes: each stage, summed over the candidates."""
    stages = dict.fromkeys(stage for way in ways for stage in way.seconds)
    totals = {stage: sum(way.seconds.get(stage, 0.0) for way in ways) for stage in stages}
    parts = ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in totals.items())
    print(f"{name}: {took.wall_seconds:.0f} s; wall-clock seconds in stages, summed over candidates: {parts}")


if __name__ == "__main__":
    main()
