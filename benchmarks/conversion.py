"""Seconds to convert one network to .tflite: from a frozen concrete function, against from the Keras model.

Baseline: `TFLiteConverter.from_keras_model`, the documented way, which writes a SavedModel and reads it back. Ours:
`facerec_core.quantize`, which hands over a concrete function at batch 1. Network, settings and calibration images are
the same, weights are random; both files are run on the same random images and have to agree.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from measuring import Comparison, best_of, find_project, publish
from numpy.typing import NDArray

Images = NDArray[np.uint8]
ALLOWED_STEPS = {"float32": 1e-3, "ptq_int8": 1.0, "qat_int8": 1.0}
"""How far two outputs may lie apart: of the largest output in float32, in steps of the output's scale in int8."""


def main() -> None:
    """Parse the arguments, convert three ways twice, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=float, default=0.35)
    parser.add_argument("--res", type=int, default=96)
    parser.add_argument("--calibration-images", type=int, default=32, help="for PTQ; default: %(default)s")
    parser.add_argument("--repeats", type=int, default=1, help="the fastest of them counts; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of the table")
    arguments = parser.parse_args()
    find_project()
    comparisons = compare(arguments.width, arguments.res, arguments.calibration_images, arguments.repeats)
    setting = {name: getattr(arguments, name) for name in ("width", "res", "calibration_images", "repeats")}
    publish(comparisons, setting, as_json=arguments.json)


def compare(width: float, res: int, calibration_images: int, repeats: int) -> list[Comparison]:
    """Convert the float, PTQ and QAT form of one network both ways."""
    from facerec_core import quantize
    from facerec_core.arch import resolve_embedding
    from facerec_core.batches import to_network_range
    from facerec_core.model import build_network
    from facerec_core.tf import configure, tf, tfmot
    from facerec_core.types import Candidate

    configure(0, 0)
    network = build_network(Candidate(width, res, resolve_embedding("scaled", width)))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (calibration_images, res, res, 3), np.uint8)
    for _ in range(10):  # a fresh network's statistics and ranges are not those of its activations
        network(to_network_range(images), training=True)
    quantized = tfmot.quantization.keras.quantize_model(network)
    quantized(to_network_range(images), training=True)

    def convert_qat() -> Any:
        converter = quantize._converter(quantized)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return quantize.Converted(quantize._convert(converter, "qat_int8"))

    tasks: dict[str, Callable[[], Any]] = {
        "float32": lambda: quantize.convert_float(network),
        "ptq_int8": lambda: quantize.post_training(network, images),
        "qat_int8": convert_qat,
    }
    tasks["float32"]()  # TensorFlow compiles and loads on its first conversion, whichever that is
    keras_route = mock.patch.object(quantize, "_converter", tf.lite.TFLiteConverter.from_keras_model)
    comparisons = []
    for scheme, task in tasks.items():
        ours, our_file = best_of(repeats, task)
        with keras_route:
            baseline, their_file = best_of(repeats, task)
        agreement = agree(scheme, our_file.content, their_file.content, images[:8])
        comparisons.append(Comparison(scheme, ours, baseline, agreement))
    return comparisons


def agree(scheme: str, ours: bytes, baseline: bytes, images: Images) -> str:
    """How far the outputs of the two files are apart; ends the program when that is too far."""
    first, second = raw_outputs(ours, images), raw_outputs(baseline, images)
    scale = float(np.abs(first).max()) if scheme == "float32" else 1.0
    difference = float(np.abs(first - second).max()) / scale
    if difference > ALLOWED_STEPS[scheme]:
        sys.exit(f"error: {scheme}: the two files differ by {difference:g}, allowed: {ALLOWED_STEPS[scheme]:g}")
    if difference == 0:
        return "outputs equal"
    return f"outputs within {difference:.1g} {'of the largest' if scheme == 'float32' else 'step(s)'}"


def raw_outputs(content: bytes, images: Images) -> NDArray[np.float64]:
    """The undequantised outputs of a file, one image a call: float64 [n, embedding]."""
    from facerec_core.tflite import Interpreter

    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(content)
        file.flush()
        interpreter = Interpreter(Path(file.name), batch_size=1)
    return np.concatenate([interpreter.raw(image[None]) for image in images]).astype(np.float64)


if __name__ == "__main__":
    main()
