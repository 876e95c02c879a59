"""Memory of a large data set: reading it in, opening it again, judging all pairs of its test split, and one epoch.

Each count of images is measured in a process of its own. `own` is memory the process cannot do without (RssAnon);
`mapped` are pages of files that it has touched and that the system takes back when it needs them (RssFile, libraries
included). The images are made up; `--side` keeps the disk they need small, the counts are what matters.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import find_project
from numpy.typing import NDArray

PHASES = ("read in", "open again", "judge", "train")
FINGERPRINT = 448
IMAGES_AN_IDENTITY = 20
SAMPLE_SECONDS = 0.002
MB = 1e6


@dataclass(frozen=True)
class Peak:
    """The most a process held during one phase, in MB, and what it held before."""

    images: int
    phase: str
    own_before_mb: float
    own_mb: float
    mapped_mb: float
    seconds: float


def main() -> None:
    """Parse the arguments, measure each count in a fresh process, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="20000,40000", help="images to measure with; default: %(default)s")
    parser.add_argument("--side", type=int, default=32, help="their side in pixels; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of the table")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    peaks: list[Peak] = []
    for count in map(int, arguments.counts.split(",")):
        with tempfile.TemporaryDirectory() as folder, context.Pool(1) as pool:
            peaks += pool.apply(measure, (count, arguments.side, folder))
    if arguments.json:
        print(json.dumps({"side": arguments.side, "peaks": [asdict(peak) for peak in peaks]}, indent=1))
        return
    print(f"{'images':>8}  {'phase':12}{'own before MB':>14}{'own MB':>9}{'mapped MB':>11}{'s':>8}")
    for p in peaks:
        print(f"{p.images:8}  {p.phase:12}{p.own_before_mb:14.0f}{p.own_mb:9.0f}{p.mapped_mb:11.0f}{p.seconds:8.1f}")


def measure(count: int, side: int, folder: str) -> list[Peak]:
    """Read `count` images in, open them again, judge random fingerprints, and walk one epoch of training batches."""
    find_project()
    from facerec_core.data.loader import load_faces
    from sweep.compose import open_composer

    (settings,) = open_composer().many([f"data.image_size={side}", "train=thorough"])
    options, source = settings.data, made_up(count)
    peaks: list[Peak] = []
    for phase in PHASES[:2]:
        with watched(count, phase, peaks):
            faces = load_faces(options, side, Path(folder), silent, source=source)
    judge(count, faces, peaks)
    # Imported before it is watched: its own hundreds of MB are the same for any number of images.
    from facerec_core.batches import shuffled_order, training_batches
    from facerec_core.tf import configure

    configure(1, 0)
    with watched(count, PHASES[3], peaks):
        order = shuffled_order(faces.train.labels, 1, 64, 0)
        for _ in training_batches(faces.train, order, 64, settings.train.augment, 0):
            pass
    return peaks


def judge(count: int, faces: Any, peaks: list[Peak]) -> None:
    """Evaluate one random fingerprint an image of the test split."""
    from facerec_core.metrics import evaluate

    test = faces.test
    shape = (len(test.names), FINGERPRINT)
    fingerprints = np.random.default_rng(0).standard_normal(shape, np.float32)
    with watched(count, PHASES[2], peaks):
        evaluate(
            fingerprints,
            test.labels,
            faces.test_pairs,
            split="test",
            identities=len(test.identities),
            target_far=1e-3,
            threshold=0.1,
        )


def silent(done: int, total: int) -> None:
    """Show no progress."""


def made_up(count: int) -> Any:
    """A source of `count` images, a fifth of them each for validation and test."""
    from facerec_core.data.source import ImageRef, SourceIndex

    class MadeUp:
        name = "made up"

        def index(self) -> SourceIndex:
            people = (f"{i // IMAGES_AN_IDENTITY:06d}" for i in range(count))
            refs = tuple(ImageRef(f"{person}/{i:06d}.jpg", person) for i, person in enumerate(people))
            fifth = count // 5 // IMAGES_AN_IDENTITY * IMAGES_AN_IDENTITY
            return SourceIndex(train=refs[2 * fifth :], validation=refs[:fifth], test=refs[fifth : 2 * fifth])

        def fingerprint(self) -> str:
            return hashlib.sha256(str(count).encode()).hexdigest()

        def read(self, ref: ImageRef, size: int) -> NDArray[np.uint8]:
            return np.full((size, size, 3), int(ref.name[7:13]) % 251, np.uint8)

    return MadeUp()


@contextmanager
def watched(count: int, phase: str, peaks: list[Peak]) -> Iterator[None]:
    """Add the peak of what runs inside to `peaks`."""
    before, ended, samples = resident(), threading.Event(), [resident()]

    def sample() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            samples.append(resident())

    watcher = threading.Thread(target=sample)
    watcher.start()
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - started
        ended.set()
        watcher.join()
    own, mapped = (max(kind) for kind in zip(*samples, strict=True))
    peaks.append(Peak(count, phase, before[0], own, mapped, seconds))


def resident() -> tuple[float, float]:
    """MB of this process in memory: its own, and of mapped files. Linux only."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kilobytes = dict(line.split(":", 1) for line in lines if line.startswith("Rss"))
    own, mapped = (int(kilobytes[kind].split()[0]) * 1024 / MB for kind in ("RssAnon", "RssFile"))
    return own, mapped


if __name__ == "__main__":
    main()
