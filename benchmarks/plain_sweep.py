"""One candidate as a plain script carries it through, without this project: what `benchmarks/sweep.py` compares with.

It follows the guides of Keras, TensorFlow Lite, tfmot and MLflow: `tf.data` decodes and resizes the JPEG files in the
pipeline, `Model.fit` trains, `from_keras_model` converts, `quantize_model` and another `fit` make the QAT network, the
interpreter runs one image at a time, scikit-learn makes the figures, `log_metrics` tracks every epoch. Only the
network's definition is this project's, so that both train the same layers. Run it once a candidate, in a process of its
own.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from measuring import find_project
from numpy.typing import NDArray

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # as tfmot's guide asks
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
FARS = (1e-1, 1e-2, 1e-3)


class Stages:
    """Seconds of each named part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count the block as (a further part of) `name`."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def main() -> None:
    """Parse the arguments, carry the candidate through, write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, help="JSON: the recipe, and per split the paths and identities")
    parser.add_argument("--width", type=float, required=True)
    parser.add_argument("--res", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder of the files and of result.json")
    arguments = parser.parse_args()
    find_project()
    arguments.out.mkdir(parents=True, exist_ok=True)
    recipe = json.loads(arguments.manifest.read_text())
    result = carry_through(recipe, arguments.width, arguments.res, arguments.seed, arguments.out)
    (arguments.out / "result.json").write_text(json.dumps(result, indent=1))


def carry_through(recipe: dict[str, Any], width: float, res: int, seed: int, out: Path) -> dict[str, Any]:
    """Train, quantise, evaluate and log one candidate; returns the figures of its variants and the stages' seconds."""
    stages = Stages()
    with stages.timed("imports"):
        import mlflow
        import tensorflow as tf
        import tensorflow_model_optimization as tfmot

        from facerec_core.model import build_network
        from sweep.compose import open_composer
    mlflow.set_tracking_uri(f"sqlite:///{out.parent.absolute()}/mlflow.db")
    mlflow.set_experiment("plain")
    tf.keras.utils.set_random_seed(seed)
    candidate = open_composer().one([f"width={width}", f"res={res}"]).candidate
    train = recipe["train"]
    labels = {person: label for label, person in enumerate(sorted({person for _, person in recipe["splits"]["train"]}))}
    faces = training_set(tf, recipe["splits"]["train"], labels, res, train["batch_size"], seed)
    steps = len(recipe["splits"]["train"]) // train["batch_size"]

    # What autologging writes of a fit; it would need TensorBoard as well, and adds a copy of the model.
    logged = tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: mlflow.log_metrics(logs, step=epoch))

    def fit(model: Any, epochs: int, rate: Any) -> None:
        optimizer = tf.keras.optimizers.AdamW(rate, weight_decay=train["weight_decay"], global_clipnorm=1.0)
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, metrics=["accuracy"])
        model.fit(faces, epochs=epochs, verbose=0, callbacks=[logged])

    with mlflow.start_run(run_name=f"{width:g}@{res}"):
        with stages.timed("float"):
            network = build_network(candidate)
            model = tf.keras.Model(network.input, tf.keras.layers.Dense(len(labels))(network.output))
            warmup, total = round(train["warmup_epochs"] * steps), train["epochs"] * steps
            fit(model, train["epochs"], warm_cosine(tf, train["learning_rate"], warmup, total))
            (out / "float32.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())
        with stages.timed("ptq"):
            images = decoded(tf, [path for path, _ in recipe["splits"]["train"]][:: recipe["calibration_every"]], res)
            (out / "ptq_int8.tflite").write_bytes(post_training(tf, network, images))
        with stages.timed("qat"):
            aware = tfmot.quantization.keras.quantize_model(model)
            fit(aware, recipe["qat"]["epochs"], recipe["qat"]["learning_rate"])
            headless = tf.keras.Model(aware.input, aware.layers[-2].output)
            (out / "qat_int8.tflite").write_bytes(int8_converter(tf, headless).convert())
        figures = {}
        for scheme in ("float32", "ptq_int8", "qat_int8"):
            with stages.timed(f"eval-{scheme}"):
                figures[scheme] = {
                    split: judge(tf, out / f"{scheme}.tflite", recipe["splits"][split], res)
                    for split in ("validation", "test")
                }
        with stages.timed("logging"):
            for scheme, found in figures.items():
                mlflow.log_metrics({f"{scheme}_{s}_{k}": v for s, each in found.items() for k, v in each.items()})
                mlflow.log_artifact(str(out / f"{scheme}.tflite"))
    return {"figures": figures, "seconds": stages.seconds}


def warm_cosine(tf: Any, peak: float, warmup: int, total: int) -> Any:
    """Keras' schedule: a linear rise to `peak`, then half a cosine down to 1 % of it."""
    rest = max(total - warmup, 1)
    if not warmup:
        return tf.keras.optimizers.schedules.CosineDecay(peak, rest, alpha=0.01)
    return tf.keras.optimizers.schedules.CosineDecay(0.0, rest, alpha=0.01, warmup_target=peak, warmup_steps=warmup)


def training_set(
    tf: Any, refs: list[tuple[str, str]], labels: dict[str, int], res: int, batch_size: int, seed: int
) -> Any:
    """Shuffled, decoded, resized, mirrored and scaled batches, anew every epoch."""

    def load(path: Any, label: Any) -> Any:
        image = tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), channels=3), (res, res))
        return tf.image.random_flip_left_right(image) / 127.5 - 1.0, label

    paths, targets = [path for path, _ in refs], [labels[person] for _, person in refs]
    dataset = tf.data.Dataset.from_tensor_slices((paths, targets)).shuffle(len(paths), seed=seed)
    dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def decoded(tf: Any, paths: list[str], res: int) -> Iterator[NDArray[np.float32]]:
    """One image at a time, float32 [1, res, res, 3] in [-1, 1]."""
    for path in paths:
        image = tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(path), channels=3), (res, res))
        yield (image.numpy() / 127.5 - 1.0)[None].astype(np.float32)


def int8_converter(tf: Any, network: Any) -> Any:
    """A converter to int8 with int8 inputs and outputs, as the guides set it."""
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter


def post_training(tf: Any, network: Any, images: Iterator[NDArray[np.float32]]) -> bytes:
    """Full int8, ranges from `images`."""
    converter = int8_converter(tf, network)
    converter.representative_dataset = lambda: ([image] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return bytes(converter.convert())


def judge(tf: Any, path: Path, refs: list[tuple[str, str]], res: int) -> dict[str, float]:
    """AUC, EER and TAR at some FARs of all pairs of a split, through the file, one image at a time."""
    from sklearn.metrics import roc_auc_score, roc_curve  # type: ignore[import-untyped]

    fingerprints = embed(path, decoded(tf, [name for name, _ in refs], res))
    people = np.array([person for _, person in refs])
    first, second = np.triu_indices(len(refs), 1)
    scores, same = (fingerprints @ fingerprints.T)[first, second], people[first] == people[second]
    far, tar, _ = roc_curve(same, scores)
    tars = {f"tar_{level:g}": float(tar[np.searchsorted(far, level, side="right") - 1]) for level in FARS}
    return {"auc": float(roc_auc_score(same, scores)), "eer": float(far[np.argmin(np.abs(1 - tar - far))]), **tars}


def embed(path: Path, images: Iterator[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Unit fingerprints, float32 [n, d]."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=os.cpu_count())
    interpreter.allocate_tensors()
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for image in images:
        interpreter.set_tensor(given["index"], quantized(image, given))
        interpreter.invoke()
        raw = interpreter.get_tensor(taken["index"])[0].astype(np.float32)
        scale, zero = taken["quantization"]
        found.append((raw - zero) * scale if scale else raw)
    vectors = np.stack(found)
    unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def quantized(image: NDArray[np.float32], given: dict[str, Any]) -> NDArray[Any]:
    """An image as the file wants it."""
    scale, zero = given["quantization"]
    if not scale:
        return image
    steps: NDArray[Any] = np.clip(np.round(image / scale + zero), -128, 127).astype(np.int8)
    return steps


if __name__ == "__main__":
    main()
