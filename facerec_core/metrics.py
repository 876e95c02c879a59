"""How well fingerprints verify identities: scores of pairs, accuracy over folds, and a whole Evaluation.

The score of two fingerprints is their cosine similarity. A fingerprint of length zero points nowhere: its
similarity to everything, itself included, is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core import roc
from facerec_core.data.records import Pairs
from facerec_core.errors import DataError, FacerecError
from facerec_core.group_rates import Pool, Scored, group_rates
from facerec_core.tally import EXACT_PAIRS, Kept, Tally, Verification
from facerec_core.types import Evaluation, GroupRates, Split

Floats = NDArray[np.floating[Any]]
BLOCK_BYTES = 64 * 2**20


def unit_length(embeddings: Floats) -> NDArray[np.float32]:
    """Rows of float [n, d] scaled to length 1 as float32; rows of zeros stay zeros.

    Dividing by the largest element first keeps the squares of very small or large rows representable.

    Raises:
        FacerecError: an element is not finite.
    """
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        broken = int((~finite).sum())
        raise FacerecError(f"embeddings: {broken} of {len(embeddings)} are not finite, first at row {finite.argmin()}")
    wide = embeddings.astype(np.float64)
    wide /= _one_where_zero(np.abs(wide).max(axis=1, keepdims=True, initial=0.0))
    wide /= _one_where_zero(np.linalg.norm(wide, axis=1, keepdims=True))
    return wide.astype(np.float32)


def _one_where_zero(divisor: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(divisor == 0, 1.0, divisor)


def _pair_counts(labels: NDArray[np.int64]) -> tuple[int, int]:
    """How many genuine and impostor pairs i < j there are."""
    images_each = np.unique(labels, return_counts=True)[1].astype(np.int64)
    genuine = int((images_each * (images_each - 1) // 2).sum())
    return genuine, labels.size * (labels.size - 1) // 2 - genuine


def pair_scores(embeddings: Floats, labels: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine similarity of all pairs i < j of float [n, d]: genuine float32 [g] and impostor float32 [m].

    Computed a block of rows at a time: beside the scores themselves it holds about 100 MB.

    Raises:
        FacerecError: an element is not finite.
    """
    genuine_count, impostor_count = _pair_counts(labels)
    genuine = np.empty(genuine_count, np.float32)
    impostor = np.empty(impostor_count, np.float32)
    g = m = 0
    for block in _blocks(embeddings, labels):
        genuine[g : g + block.genuine.size], impostor[m : m + block.impostor.size] = block.genuine, block.impostor
        g, m = g + block.genuine.size, m + block.impostor.size
    return genuine, impostor


@dataclass(frozen=True)
class _Block:
    """The pairs i < j of some rows i, and their scores: `same` and `different` are bool [rows, columns]."""

    rows: slice
    columns: slice
    same: NDArray[np.bool_]
    different: NDArray[np.bool_]
    genuine: NDArray[np.float32]
    impostor: NDArray[np.float32]


def _blocks(embeddings: Floats, labels: NDArray[np.int64]) -> Iterator[_Block]:
    """All pairs i < j of float [n, d] by rows, about BLOCK_BYTES of scores at a time."""
    unit = unit_length(embeddings)
    height = max(1, BLOCK_BYTES // (4 * max(1, len(unit))))
    for start in range(0, len(unit), height):
        rows, columns = slice(start, min(start + height, len(unit))), slice(start, len(unit))
        scores = unit[rows] @ unit[columns].T
        np.clip(scores, -1, 1, out=scores)
        same = labels[rows, None] == labels[None, columns]
        later = np.arange(scores.shape[1])[None, :] > np.arange(scores.shape[0])[:, None]
        same, different = same & later, ~same & later
        yield _Block(rows, columns, same, different, scores[same], scores[different])


def best_threshold(scores: Floats, same: NDArray[np.bool_]) -> float:
    """Threshold with the highest accuracy on scores [n]: half-way between neighbouring scores, or +-inf.

    Of several equally good ones the middle one, so that neither side is favoured.
    """
    order = np.argsort(scores, kind="stable")
    ranked, genuine = scores[order].astype(np.float64), same[order]
    correct = np.concatenate([[0], np.cumsum(~genuine)]) + genuine.sum() - np.concatenate([[0], np.cumsum(genuine)])
    edges = np.concatenate([[-np.inf], ranked, [np.inf]])
    correct[edges[:-1] == edges[1:]] = -1
    best = np.flatnonzero(correct == correct.max())
    cut = int(best[len(best) // 2])
    return float((edges[cut] + edges[cut + 1]) / 2)


def fold_accuracy(scores: Floats, same: NDArray[np.bool_], fold: NDArray[np.int64]) -> float:
    """Mean over folds of the accuracy at the threshold that is best on all other folds.

    The protocol of Huang et al., "Labeled Faces in the Wild" (2007), View 2. Inputs are [n] each.

    Raises:
        DataError: fewer than two folds, or pairs of one kind only, for which an accuracy says nothing.
    """
    folds = np.unique(fold)
    if folds.size < 2 or same.all() or not same.any():
        kinds = f"{int(same.sum())} same and {int((~same).sum())} different pairs in {folds.size} fold(s)"
        raise DataError(
            f"pairs: got {kinds}, allowed: both kinds and at least 2 folds; check data.pairs and eval.folds"
        )
    accuracies = []
    for held_out in folds:
        inside = fold == held_out
        accepted = scores[inside] >= best_threshold(scores[~inside], same[~inside])
        accuracies.append(float(np.mean(accepted == same[inside])))
    return float(np.mean(accuracies))


def accuracy(embeddings: Floats, pairs: Pairs) -> float:
    """`fold_accuracy` of the cosine similarities of `pairs`, indices into float [n, d].

    Raises:
        DataError: see `fold_accuracy`.
        FacerecError: an element is not finite.
    """
    return fold_accuracy(_similarities(embeddings, pairs), pairs.same, pairs.fold)


def listed_scores(embeddings: Floats, pairs: Pairs) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine similarity of `pairs` alone, indices into float [n, d]: genuine float32 [g] and impostor float32 [m].

    Raises:
        FacerecError: an element is not finite.
    """
    scores = np.clip(_similarities(embeddings, pairs), -1, 1)
    return scores[pairs.same], scores[~pairs.same]


def _similarities(embeddings: Floats, pairs: Pairs) -> NDArray[np.float32]:
    unit = unit_length(embeddings)
    return np.asarray(np.einsum("nd,nd->n", unit[pairs.first], unit[pairs.second]), np.float32)


def evaluate(
    embeddings: Floats,
    labels: NDArray[np.int64],
    pairs: Pairs,
    *,
    split: Split,
    identities: int,
    target_far: float,
    threshold: float | None,
    groups: Sequence[str] = (),
) -> Evaluation:
    """Every figure of one variant on one split, from float [n, d] and int64 [n]; needs about 1 GB at most.

    On the validation split the threshold is chosen here, from the impostors at `target_far`, unless one is
    given. On the test split `threshold` is the validation one and is only applied; None stays None. Pairs that
    are `exclusive` are the only ones scored; of others it is not known whom they show. Where `groups`
    names the group of each image, its rates at that threshold are given for each.

    Raises:
        DataError: the split has no genuine or no impostor pairs, or see `fold_accuracy`.
        FacerecError: an element is not finite.
    """
    found = _verification(embeddings, labels, pairs, threshold)
    if threshold is None and split == "validation":
        threshold = found.threshold_at_far(target_far)
    realised_far, realised_tar = (None, None) if threshold is None else found.realised(threshold)
    listed = found.tar_at_fars(roc.LISTED_FARS)
    return Evaluation(
        split=split,
        images=len(labels),
        identities=None if pairs.exclusive else identities,
        genuine_pairs=found.genuine_pairs,
        impostor_pairs=found.impostor_pairs,
        far_floor=roc.far_floor(found.impostor_pairs),
        auc=found.auc(),
        eer=found.eer(),
        accuracy=accuracy(embeddings, pairs),
        accuracy_pairs=pairs.same.size,
        tar_at_far=dict(zip(map(roc.far_label, roc.LISTED_FARS), listed, strict=True)),
        roc=roc.roc_grid(found.tar_at_fars),
        target_far=target_far,
        threshold=threshold,
        realised_far=realised_far,
        realised_tar=realised_tar,
        groups=_by_group(embeddings, labels, pairs, groups, threshold, target_far) if groups else (),
    )


def _verification(embeddings: Floats, labels: NDArray[np.int64], pairs: Pairs, threshold: float | None) -> Verification:
    """The scores that count, kept where there are few and tallied where there are many."""
    if pairs.exclusive:
        return Kept(*listed_scores(embeddings, pairs))
    if sum(_pair_counts(labels)) <= EXACT_PAIRS:
        return Kept(*pair_scores(embeddings, labels))
    return Tally.of(((block.genuine, block.impostor) for block in _blocks(embeddings, labels)), threshold)


def _by_group(
    embeddings: Floats,
    labels: NDArray[np.int64],
    pairs: Pairs,
    groups: Sequence[str],
    threshold: float | None,
    target_far: float,
) -> tuple[GroupRates, ...]:
    """The scores are computed again rather than kept; the same blocks give the same bits."""
    pool = Pool.of(groups)

    def scored() -> Iterator[tuple[Scored, Scored]]:
        if pairs.exclusive:
            ids = pool.of_pairs(pairs.first, pairs.second)
            genuine, impostor = listed_scores(embeddings, pairs)
            yield (genuine, ids[pairs.same]), (impostor, ids[~pairs.same])
            return
        for block in _blocks(embeddings, labels):
            ids = pool.of_block(block.rows, block.columns)
            yield (block.genuine, ids[block.same]), (block.impostor, ids[block.different])

    return group_rates(scored(), pool, labels, threshold=threshold, target_far=target_far)
