"""Seconds a training epoch takes: our loop from memory-mapped images, against `Model.fit` on arrays in memory.

Baseline: Keras' AdamW and `Model.fit` on float32 images that lie in memory as they are fed, the fastest way Keras has.
Ours: `facerec_core.train.fit`, which reads uint8 images from a memory-mapped file, scales and mirrors them, and
reports every step. Both train the same network with the same head, batch size and number of steps; tracing counts for
neither.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Comparison, find_project, publish

CLASSES = 100


def main() -> None:
    """Parse the arguments, train both ways in turns, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=float, default=0.35)
    parser.add_argument("--res", type=int, default=96)
    parser.add_argument("--images", type=int, default=2048, help="of an epoch; default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3, help="epochs each, in turns; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of the table")
    arguments = parser.parse_args()
    find_project()
    with tempfile.TemporaryDirectory() as folder:
        comparison = compare(arguments, Path(folder))
    setting = {name: value for name, value in vars(arguments).items() if name != "json"}
    publish([comparison], setting, as_json=arguments.json)


def compare(arguments: argparse.Namespace, folder: Path) -> Comparison:
    """One epoch each to warm up, then `rounds` in turns; the fastest of each counts."""
    images = _images(folder / "images.npy", arguments.images, arguments.res)
    ours = _our_epoch(images, arguments)
    baseline = _keras_epoch(images, arguments)
    seconds: dict[str, list[float]] = {"ours": [], "baseline": []}
    for _ in range(arguments.rounds):
        for name, epoch in (("ours", ours), ("baseline", baseline)):
            seconds[name].append(epoch())
    best = {name: min(times) for name, times in seconds.items()}
    rates = ", ".join(f"{name} {arguments.images / value:.0f} images/s" for name, value in best.items())
    task = f"an epoch of {arguments.width:g}@{arguments.res}"
    return Comparison(task, best["ours"], best["baseline"], rates)


def _images(path: Path, count: int, side: int) -> Any:
    np.save(path, np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8))
    return np.load(path, mmap_mode="r")


def _our_epoch(images: Any, arguments: argparse.Namespace) -> Callable[[], float]:
    """Seconds of the second of two epochs, by the time between the reports of their last steps."""
    from facerec_core.data.records import FaceSet
    from facerec_core.tf import configure
    from facerec_core.train import fit, task_phase, with_heads
    from sweep.compose import open_composer

    configure(0, 0)
    labels = np.arange(len(images)) % CLASSES
    names = tuple(f"{label}/{row}.jpg" for row, label in enumerate(labels))
    faces = FaceSet(images, labels, names, tuple(map(str, range(CLASSES))))
    composed = open_composer().one([f"width={arguments.width}", f"res={arguments.res}"])
    options = _replace(composed.train, batch_size=arguments.batch_size)
    network = _network(composed.candidate)
    phase = task_phase(options, CLASSES, name="train", epochs=2, learning_rate=1e-3)
    steps = len(images) // arguments.batch_size

    def epoch() -> float:
        times: dict[int, float] = {}
        model = with_heads(network, options, CLASSES, None)
        fit(model, faces, phase, options, 0, lambda done, *_: times.__setitem__(done, time.perf_counter()))
        return times[2 * steps] - times[steps]

    return epoch


def _replace(options: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(options, **changes)


def _network(candidate: Any) -> Any:
    from facerec_core.model import build_network

    return build_network(candidate)


def _keras_epoch(images: Any, arguments: argparse.Namespace) -> Callable[[], float]:
    """Seconds of an epoch after one that traces."""
    from facerec_core.tf import keras
    from sweep.compose import open_composer

    network = _network(open_composer().one([f"width={arguments.width}", f"res={arguments.res}"]).candidate)
    model = keras.Model(network.input, keras.layers.Dense(CLASSES)(network.output))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3), loss, metrics=["accuracy"])
    scaled = images.astype(np.float32) / 127.5 - 1.0
    labels = np.arange(len(images)) % CLASSES
    model.fit(scaled, labels, batch_size=arguments.batch_size, verbose=0)

    def epoch() -> float:
        started = time.perf_counter()
        model.fit(scaled, labels, batch_size=arguments.batch_size, verbose=0)
        return time.perf_counter() - started

    return epoch


if __name__ == "__main__":
    main()
