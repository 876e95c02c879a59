"""Processor time of the training batches by what is augmented, in microseconds an image, summed over all threads.

Processor time, unlike time on the clock, hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import time

import numpy as np
from measuring import find_project

IMAGES = 2048
BATCH = 64


def main() -> None:
    """Parse the arguments, walk one epoch a repeat with each set of changes, print the least."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--res", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=5, help="the fastest of them counts; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of the table")
    arguments = parser.parse_args()
    find_project()
    found = measure(arguments.res, arguments.repeats)
    if arguments.json:
        print(json.dumps({"res": arguments.res, "load_1min": os.getloadavg()[0], "microseconds": found}, indent=1))
        return
    print(f"res {arguments.res}, {IMAGES} images, batches of {BATCH}")
    for name, microseconds in found.items():
        print(f"{name:28}{microseconds:8.0f} us an image")


def measure(res: int, repeats: int) -> dict[str, float]:
    """Microseconds an image by the name of what is augmented."""
    from dataclasses import replace

    from facerec_core.batches import shuffled_order, training_batches
    from facerec_core.data.records import FaceSet
    from facerec_core.tf import configure
    from sweep.compose import open_composer

    configure(0, 0)
    thorough = open_composer().many(["train=thorough"])[0].train.augment
    cases = {
        "nothing": None,
        "train=thorough": thorough,
        "and blur=1.5": replace(thorough, blur=1.5),
        "and cutout=0.4": replace(thorough, cutout=0.4),
        "and both": replace(thorough, blur=1.5, cutout=0.4),
    }
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, res, res, 3), np.uint8)
    labels = np.arange(IMAGES) % BATCH
    faces = FaceSet(images, labels, tuple(map(str, range(IMAGES))), tuple(map(str, range(BATCH))))
    order = shuffled_order(labels, 1, BATCH, 0)
    least = dict.fromkeys(cases, float("inf"))
    for _ in range(repeats):
        for name, options in cases.items():
            batches = iter(training_batches(faces, order, BATCH, options, 0))
            next(batches)  # builds the graph
            started = time.process_time()
            count = sum(len(images) for images, _ in batches)
            least[name] = min(least[name], (time.process_time() - started) / count * 1e6)
    return least


if __name__ == "__main__":
    main()
