"""tf.data batches from cached arrays: shuffling, augmentation, and identity-balanced batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.records import FaceSet
from facerec_core.options import AugmentOptions
from facerec_core.tf import tf

IMAGES_AN_IDENTITY = 4
"""In a balanced batch, so that every image meets three partners."""
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def to_network_range(images: Any) -> Any:
    """uint8 [n, h, w, 3] -> float32 in [-1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def _uniform(shape: Any, half_range: float, seed: Any) -> Any:
    return tf.random.stateless_uniform(shape, seed, -half_range, half_range)


def _geometry(images: Any, options: AugmentOptions, seeds: Any) -> Any:
    """One random flip, zoom and shift an image, as a single projective resampling of the batch."""
    n, side = tf.shape(images)[0], tf.cast(tf.shape(images)[1], tf.float32)
    zoom = 1.0 + _uniform([n], options.zoom, seeds[0])
    shift = _uniform([n, 2], options.shift, seeds[1]) * side
    mirrored = tf.random.stateless_uniform([n], seeds[2]) < (0.5 if options.flip else 0.0)
    sign = tf.where(mirrored, -1.0, 1.0)
    centre = (side - 1.0) / 2.0
    a0, b1 = sign * zoom, zoom
    zero = tf.zeros([n])
    rows = [a0, zero, centre - a0 * centre + shift[:, 0], zero, b1, centre - b1 * centre + shift[:, 1], zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(rows, 1),
        output_shape=tf.shape(images)[1:3],
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )


def _colour(images: Any, options: AugmentOptions, seeds: Any) -> Any:
    """Contrast around the image's mean, saturation around its luma, then brightness; float32 in [-1, 1]."""
    shape = [tf.shape(images)[0], 1, 1, 1]
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    images = mean + (images - mean) * (1.0 + _uniform(shape, options.contrast, seeds[3]))
    luma = tf.reduce_sum(images * tf.constant(LUMA), -1, keepdims=True)
    images = luma + (images - luma) * (1.0 + _uniform(shape, options.saturation, seeds[4]))
    images += _uniform(shape, 2.0 * options.brightness, seeds[5])
    return tf.clip_by_value(images, -1.0, 1.0)


def augment(images: Any, options: AugmentOptions, seed: Any) -> Any:
    """Random geometry and colour, the same for the same `seed` (int64 [2]); float32 in, float32 out."""
    seeds = tf.unstack(tf.random.split(seed, 6))
    return _colour(_geometry(images, options, seeds), options, seeds)


def _gather(faces: FaceSet) -> Any:
    """A tensor function that reads rows of the memory-mapped images."""
    shape = (None, *faces.images.shape[1:])

    def gather(indices: Any) -> Any:
        images = tf.numpy_function(lambda i: faces.images[i], [indices], tf.uint8, stateful=False)
        return tf.ensure_shape(images, shape)

    return gather


def training_batches(
    faces: FaceSet, order: NDArray[np.int64], batch_size: int, augmentation: AugmentOptions | None, seed: int
) -> Any:
    """A dataset of (float32 images, int64 labels) that walks `order`, dropping the incomplete last batch.

    Args:
        faces: the images.
        order: int64 [m], indices into `faces` in the order of training, over all epochs.
        batch_size: images a batch.
        augmentation: None leaves the images as they are.
        seed: of the augmentation.
    """
    gather = _gather(faces)
    labels = tf.constant(faces.labels)

    def load(step: Any, indices: Any) -> Any:
        # Rows are read in file order; within a batch the order means nothing.
        indices = tf.sort(indices)
        images = to_network_range(gather(indices))
        if augmentation is not None:
            images = augment(images, augmentation, tf.stack([tf.cast(seed, tf.int64), step]))
        return images, tf.gather(labels, indices)

    batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)
    steps = tf.data.Dataset.counter()
    dataset = tf.data.Dataset.zip((steps, batches))
    return dataset.map(
        tf.autograph.experimental.do_not_convert(load), num_parallel_calls=2, deterministic=True
    ).prefetch(2)


def shuffled_order(count: int, epochs: int, batch_size: int, seed: int) -> NDArray[np.int64]:
    """A fresh permutation an epoch, each cut to whole batches, joined: int64 [epochs * whole]."""
    rng = np.random.default_rng(seed)
    whole = max(count // batch_size, 1) * min(batch_size, count)
    return np.concatenate([rng.permutation(count)[:whole] for _ in range(epochs)])


def balanced_order(labels: NDArray[np.int64], epochs: int, batch_size: int, seed: int) -> NDArray[np.int64]:
    """Batches that hold several images of each of their identities, so that every image meets a partner.

    Each batch takes IMAGES_AN_IDENTITY images of random identities that have at least two; with fewer images an
    identity repeats some. `batch_size` is a multiple of IMAGES_AN_IDENTITY: int64 [epochs * steps * batch_size].
    """
    rng = np.random.default_rng(seed)
    members = [found for label in np.unique(labels) if len(found := np.flatnonzero(labels == label)) > 1]
    people, steps = batch_size // IMAGES_AN_IDENTITY, max(len(labels) // batch_size, 1) * epochs

    def draw(found: NDArray[np.int64]) -> NDArray[np.int64]:
        return rng.choice(found, IMAGES_AN_IDENTITY, replace=len(found) < IMAGES_AN_IDENTITY)

    chosen = (rng.choice(len(members), people, replace=people > len(members)) for _ in range(steps))
    return np.concatenate([draw(members[index]) for batch in chosen for index in batch])
