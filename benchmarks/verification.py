"""Seconds and memory to judge millions of pairs: the figures, their intervals, and open-set identification.

The baseline of the figures is scikit-learn's `roc_curve` and `roc_auc_score` on the very same scores, which have to
agree; ours is `facerec_core.tally.Kept`, both without the time that the scores themselves take. Intervals and
identification have no baseline. Fingerprints are random; as in LFW's DevTest split most people have one image.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measuring import Comparison, best_of, find_project, publish
from numpy.typing import NDArray

FARS = (1e-1, 1e-2, 1e-3, 1e-4)
TOLERANCE = 1e-4


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identities", type=int, default=1711, help="people; default: %(default)s")
    parser.add_argument("--images", type=int, default=3708, help="images of all; default: %(default)s")
    parser.add_argument("--dimensions", type=int, default=640, help="of a fingerprint; default: %(default)s")
    parser.add_argument("--replicates", type=int, default=200, help="of the bootstrap; default: %(default)s")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of them counts; default: %(default)s")
    parser.add_argument("--baseline", action=argparse.BooleanOptionalAction, default=True, help="run scikit-learn too")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of the table")
    arguments = parser.parse_args()
    find_project()
    embeddings, labels = fingerprints(arguments.identities, arguments.images, arguments.dimensions)
    stages(embeddings, labels, arguments.replicates, arguments.repeats)
    if arguments.baseline:
        names = ("identities", "images", "dimensions", "repeats")
        compared = compare_figures(embeddings, labels, arguments.repeats)
        publish([compared], {name: getattr(arguments, name) for name in names}, as_json=arguments.json)


def fingerprints(identities: int, images: int, dimensions: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Noisy copies of a random direction a person; how many images a person has falls off like a power."""
    rng = np.random.default_rng(0)
    share = np.arange(1, identities + 1) ** -1.0
    images_each = 1 + rng.multinomial(images - identities, share / share.sum())
    labels = np.repeat(np.arange(identities), images_each)
    noise = rng.normal(size=(images, dimensions))
    return (rng.normal(size=(identities, dimensions))[labels] + 2.5 * noise).astype(np.float32), labels


def stages(embeddings: NDArray[np.float32], labels: NDArray[np.int64], replicates: int, repeats: int) -> None:
    """Everything from fingerprints on, as `evaluate` does it: with nothing else, with intervals, and identification."""
    from facerec_core.identification import identification
    from facerec_core.metrics import evaluate, unit_length
    from facerec_core.protocol import draw_pairs

    pairs, people = draw_pairs(labels, seed=0), int(labels.max()) + 1

    def judge(count: int) -> Any:
        return evaluate(
            embeddings,
            labels,
            pairs,
            split="validation",
            identities=people,
            target_far=1e-3,
            threshold=None,
            replicates=count,
        )

    found = judge(0)
    pairs_said = f"{found.genuine_pairs} genuine and {found.impostor_pairs} impostor pairs"
    print(f"{pairs_said}, load before {os.getloadavg()[0]:.1f}", file=sys.stderr)
    timed("scores and every figure", repeats, lambda: judge(0))
    timed(f"the same with {replicates} replicates", repeats, lambda: judge(replicates))
    timed("identification", repeats, lambda: identification(unit_length(embeddings), labels, found.threshold))


def timed(task: str, repeats: int, run: Callable[[], object]) -> None:
    """Print wall-clock and processor seconds of the fastest repeat, and the most memory so far."""

    def once() -> float:
        started = time.process_time()
        run()
        return time.process_time() - started

    seconds, processor = zip(*(best_of(1, once) for _ in range(repeats)), strict=True)
    print(
        f"{task}: {min(seconds):.2f} s, {min(processor):.2f} s of processors, {peak_mb()} MB at most", file=sys.stderr
    )


def peak_mb() -> int:
    """The most memory this process has held, libraries included (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 10**6


def compare_figures(embeddings: NDArray[np.float32], labels: NDArray[np.int64], repeats: int) -> Comparison:
    """AUC, EER and TAR at four FARs of the same scores, each way."""
    from facerec_core.metrics import pair_scores
    from facerec_core.tally import Kept

    genuine, impostor = pair_scores(embeddings, labels)

    def ours() -> NDArray[np.float64]:
        kept = Kept(genuine, impostor)
        return np.array([kept.auc(), kept.eer(), *kept.tar_at_fars(FARS)], np.float64)

    seconds, figures = best_of(repeats, ours)
    baseline, plain = best_of(repeats, lambda: plain_figures(genuine, impostor))
    gap = float(np.abs(figures - plain).max())
    if not gap <= TOLERANCE:
        sys.exit(f"error: figures differ: ours {figures}, baseline {plain}")
    return Comparison(f"figures of {genuine.size + impostor.size} scores", seconds, baseline, f"rates within {gap:.0e}")


def plain_figures(genuine: NDArray[np.float32], impostor: NDArray[np.float32]) -> NDArray[np.float64]:
    """The baseline: scikit-learn's curves."""
    from sklearn.metrics import roc_auc_score, roc_curve  # type: ignore[import-untyped]

    scores = np.concatenate([genuine, impostor])
    same = np.arange(scores.size) < genuine.size
    far, tar, _ = roc_curve(same, scores, drop_intermediate=False)
    crossing = int(np.argmin(np.abs(1 - tar - far)))
    tars = [float(tar[np.searchsorted(far, limit, side="right") - 1]) for limit in FARS]
    return np.array([roc_auc_score(same, scores), (far[crossing] + 1 - tar[crossing]) / 2, *tars])


if __name__ == "__main__":
    main()
