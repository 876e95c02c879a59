"""Seconds to judge one variant: its fingerprints out of LiteRT, and the figures out of its fingerprints.

Two baselines. Fingerprints: the same int8 file, one image a call, as most examples do; ours is
`facerec_core.tflite.Interpreter.embed`, a batch a call. Figures: a full similarity matrix and scikit-learn's
`roc_curve` and `roc_auc_score`; ours is `facerec_core.metrics.evaluate`. Weights, images and fingerprints are random;
both ways have to agree.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Comparison, best_of, find_project, publish
from numpy.typing import NDArray

FARS = (1e-1, 1e-2, 1e-3, 1e-4)
DIMENSIONS = 448
TOLERANCE = 1e-4
Figures = dict[str, float]


def main() -> None:
    """Parse the arguments, measure both halves, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1024, help="images to embed; default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=64, help="images a call; default: %(default)s")
    parser.add_argument("--identities", type=int, default=120, help="people compared; default: %(default)s")
    parser.add_argument("--images-each", type=int, default=10, help="images of each; default: %(default)s")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of them counts; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of the table")
    arguments = parser.parse_args()
    find_project()
    comparisons = [
        compare_embedding(arguments.images, arguments.batch_size, arguments.repeats),
        compare_figures(arguments.identities, arguments.images_each, arguments.repeats),
    ]
    names = ("images", "batch_size", "identities", "images_each", "repeats")
    publish(comparisons, {name: getattr(arguments, name) for name in names}, as_json=arguments.json)


def compare_embedding(count: int, batch_size: int, repeats: int) -> Comparison:
    """0.35@96 in int8 on one thread: a batch a call against an image a call."""
    from facerec_core.tflite import Interpreter

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 96, 96, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ptq_int8.tflite"
        path.write_bytes(int8_network(images[:32]))
        interpreter = Interpreter(path, batch_size=batch_size)
        ours, batched = best_of(repeats, lambda: interpreter.embed(images))
        baseline, single = best_of(repeats, lambda: one_at_a_time(path, images))
    if not np.array_equal(batched, single):
        sys.exit("error: batched fingerprints differ from those of one image a call")
    return Comparison(f"embed {count} images, 0.35@96 int8", ours, baseline, "fingerprints equal")


def int8_network(images: NDArray[np.uint8]) -> bytes:
    """A PTQ file of 0.35@96 with random weights."""
    from facerec_core.model import build_network
    from facerec_core.quantize import post_training
    from facerec_core.tf import configure
    from facerec_core.types import Candidate

    configure(0, 0)
    return post_training(build_network(Candidate(0.35, 96, DIMENSIONS)), images).content


def one_at_a_time(path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The baseline: quantise, invoke and dequantise each image by itself."""
    from ai_edge_litert.interpreter import Interpreter

    from facerec_core.tflite import dequantize_output, quantize_input
    from facerec_core.types import TensorScale

    litert = Interpreter(model_path=str(path), num_threads=1)
    litert.allocate_tensors()
    source, target = litert.get_input_details()[0], litert.get_output_details()[0]
    scales = [TensorScale(np.dtype(d["dtype"]).name, *d["quantization"]) for d in (source, target)]
    rows = []
    for image in images:
        litert.set_tensor(source["index"], quantize_input(image[None], scales[0]))
        litert.invoke()
        rows.append(dequantize_output(litert.get_tensor(target["index"]), scales[1]))
    return np.concatenate(rows)


def compare_figures(identities: int, images_each: int, repeats: int) -> Comparison:
    """AUC, EER, TAR at four FARs and the folds' accuracy, from noisy copies of a random direction a person."""
    from facerec_core.metrics import evaluate
    from facerec_core.protocol import draw_pairs
    from facerec_core.roc import far_label

    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(identities), images_each)
    directions = rng.normal(size=(identities, DIMENSIONS))
    embeddings = (directions[labels] + 3.0 * rng.normal(size=(len(labels), DIMENSIONS))).astype(np.float32)
    pairs = draw_pairs(labels, seed=0)

    def ours() -> Figures:
        found = evaluate(
            embeddings, labels, pairs, split="test", identities=identities, target_far=1e-3, threshold=None
        )
        tars = {far_label(far): found.tar_at_far[far_label(far)] for far in FARS}
        figures = {"auc": found.auc, "eer": found.eer, "accuracy": found.accuracy, **tars}
        return {name: value for name, value in figures.items() if value is not None}

    seconds, figures = best_of(repeats, ours)
    baseline_seconds, plain = best_of(repeats, lambda: plain_figures(embeddings, labels, pairs))
    gap = max(abs(figures[name] - plain[name]) for name in figures if name != "accuracy")
    # Of equally good thresholds the two pick different ones, so accuracies agree less closely.
    if gap > TOLERANCE or abs(figures["accuracy"] - plain["accuracy"]) > 0.01:
        sys.exit(f"error: figures differ: ours {figures}, baseline {plain}")
    return Comparison(f"evaluate {len(labels)} fingerprints", seconds, baseline_seconds, f"rates within {gap:.0e}")


def plain_figures(embeddings: NDArray[np.float32], labels: NDArray[np.int64], pairs: Any) -> Figures:
    """The baseline: every pair out of one matrix, and scikit-learn's curves."""
    from sklearn.metrics import roc_auc_score, roc_curve  # type: ignore[import-untyped]

    from facerec_core.roc import far_label

    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    matrix = unit @ unit.T
    rows, columns = np.triu_indices(len(labels), 1)
    scores, same = matrix[rows, columns], labels[rows] == labels[columns]
    far, tar, _ = roc_curve(same, scores, drop_intermediate=False)
    crossing = int(np.argmin(np.abs(1 - tar - far)))
    tars = {far_label(limit): float(tar[np.searchsorted(far, limit, side="right") - 1]) for limit in FARS}
    return {
        "auc": float(roc_auc_score(same, scores)),
        "eer": float((far[crossing] + 1 - tar[crossing]) / 2),
        "accuracy": plain_accuracy(matrix[pairs.first, pairs.second], pairs.same, pairs.fold),
        **tars,
    }


def plain_accuracy(scores: NDArray[np.float32], same: NDArray[np.bool_], fold: NDArray[np.int64]) -> float:
    """Each fold at the best threshold of the others, as read off scikit-learn's ROC."""
    from sklearn.metrics import roc_curve

    accuracies = []
    for held_out in np.unique(fold):
        inside = fold == held_out
        far, tar, thresholds = roc_curve(same[~inside], scores[~inside], drop_intermediate=False)
        genuine = same[~inside].mean()
        best = thresholds[np.argmax(tar * genuine + (1 - far) * (1 - genuine))]
        accuracies.append(np.mean((scores[inside] >= best) == same[inside]))
    return float(np.mean(accuracies))


if __name__ == "__main__":
    main()
