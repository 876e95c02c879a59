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
from facerec_core.bootstrap import Resampled, rated_fars, resample
from facerec_core.data.records import Pairs
from facerec_core.errors import FacerecError
from facerec_core.folds import fold_accuracy
from facerec_core.group_rates import Pool, Scored, group_rates
from facerec_core.identification import identification
from facerec_core.replicates import Chunk, Listed
from facerec_core.tally import EXACT_PAIRS, Kept, Tally, Verification
from facerec_core.types import Evaluation, GroupRates, IdentificationRates, Split

Floats = NDArray[np.floating[Any]]
BLOCK_BYTES = 16 * 2**20


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

    Computed a block of rows at a time: beside the scores themselves it holds about 60 MB.

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

    def images(self, of: NDArray[np.bool_], places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The two images of those pairs of one kind (`same` or `different`) that are at `places` among its scores."""
        row, column = np.divmod(np.flatnonzero(of)[places], of.shape[1])
        return row + self.rows.start, column + self.columns.start


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
    replicates: int = 0,
    gallery: Floats | None = None,
) -> Evaluation:
    """Every figure of one variant on one split, from float [n, d] and int64 [n]; needs about 1 GB at most.

    On the validation split the threshold is chosen here, from the impostors at `target_far`, unless one is
    given. On the test split `threshold` is the validation one and is only applied; None stays None. Pairs that
    are `exclusive` are the only ones scored; of others it is not known whom they show. Where `groups`
    names the group of each image, its rates at that threshold are given for each. With `replicates` above 0 every
    rate has its interval, but where people have no names, who cannot be resampled. Identification is of test alone, and
    with `gallery`, the float network's fingerprints of the same images, it is done a second time among those.

    Raises:
        DataError: the split has no genuine or no impostor pairs, or see `fold_accuracy`.
        FacerecError: an element is not finite.
    """
    found = _verification(embeddings, labels, pairs, threshold)
    if threshold is None and split == "validation":
        threshold = found.threshold_at_far(target_far)
    realised_far, realised_tar = (None, None) if threshold is None else found.realised(threshold)
    fars = rated_fars(target_far)
    resampled = _resampled(embeddings, labels, pairs, found, target_far, threshold, replicates)
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
        tar_at_far=dict(zip(map(roc.far_label, fars), found.tar_at_fars(fars), strict=True)),
        roc=resampled.banded(roc.roc_grid(found.tar_at_fars)),
        target_far=target_far,
        threshold=threshold,
        realised_far=realised_far,
        realised_tar=realised_tar,
        groups=_by_group(embeddings, labels, pairs, groups, threshold, target_far) if groups else (),
        intervals=resampled.intervals,
        replicates=resampled.replicates,
        resampling=resampled.resampling,
        identification=_identified(embeddings, embeddings, labels, pairs, threshold) if split == "test" else (),
        float_gallery=()
        if gallery is None or split != "test"
        else _identified(embeddings, gallery, labels, pairs, threshold),
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


def _identified(
    embeddings: Floats, gallery: Floats, labels: NDArray[np.int64], pairs: Pairs, threshold: float | None
) -> tuple[IdentificationRates, ...]:
    if pairs.exclusive:
        return ()
    probes = unit_length(embeddings)
    enrolled = None if gallery is embeddings else unit_length(gallery)
    return identification(probes, _people(labels), threshold, enrolled)


def _people(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The person of each image, from 0 without gaps."""
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _resampled(
    embeddings: Floats,
    labels: NDArray[np.int64],
    pairs: Pairs,
    found: Verification,
    target_far: float,
    threshold: float | None,
    replicates: int,
) -> Resampled:
    """The scores are computed again, as for the groups."""
    if pairs.exclusive or not replicates:
        return Resampled()
    person = _people(labels)

    def chunks() -> Iterator[Chunk]:
        for block in _blocks(embeddings, labels):
            yield _chunk(block, person)

    scores = _similarities(embeddings, pairs)
    listed = Listed(scores, pairs.same, pairs.fold, person[pairs.first], person[pairs.second])
    return resample(
        chunks,
        found.threshold_accepting,
        person,
        listed,
        target_far=target_far,
        threshold=threshold,
        replicates=replicates,
    )


def _chunk(block: _Block, person: NDArray[np.int64]) -> Chunk:
    every = np.arange(block.genuine.size)

    def people(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first, second = block.images(block.different, places)
        return person[first], person[second]

    return Chunk(block.genuine, person[block.images(block.same, every)[0]], block.impostor, people)
