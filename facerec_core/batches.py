"""tf.data batches from cached arrays: shuffling, augmentation, and identity-balanced batches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.cache import release
from facerec_core.data.records import FaceSet
from facerec_core.options import AugmentOptions
from facerec_core.tf import tf

IMAGES_AN_IDENTITY = 4
"""In a balanced batch, so that every image meets three partners."""
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
CHANNELS = 3
BLUR_SIDE = 96
"""The side at which `train.augment.blur` is in pixels; at other resolutions the blur covers the same part of a face."""
GAUSSIAN_REACH = 3
"""Standard deviations after which a kernel is cut off: 99.7 % of it lie within."""


def to_network_range(images: Any) -> Any:
    """uint8 [n, h, w, 3] -> float32 in [-1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def _uniform(shape: Any, half_range: float, seed: Any) -> Any:
    return tf.random.stateless_uniform(shape, seed, -half_range, half_range)


def _geometry(images: Any, options: AugmentOptions, seeds: Any) -> Any:
    """One random flip, zoom and shift an image, as a single projective resampling of the batch."""
    n, side = tf.shape(images)[0], tf.cast(tf.shape(images)[1], tf.float32)
    mirrored = tf.random.stateless_uniform([n], seeds[2]) < (0.5 if options.flip else 0.0)
    if not (options.zoom or options.shift):
        return _mirror(images, mirrored) if options.flip else images
    zoom = 1.0 + _uniform([n], options.zoom, seeds[0])
    shift = _uniform([n, 2], options.shift, seeds[1]) * side
    sign = tf.where(mirrored, -1.0, 1.0)
    centre = (side - 1.0) / 2.0
    a0, b1 = sign * zoom, zoom
    zero = tf.zeros([n])
    rows = [a0, zero, centre - a0 * centre + shift[:, 0], zero, b1, centre - b1 * centre + shift[:, 1], zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(rows, 1),
        output_shape=images.shape[1:3],
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )


def _mirror(images: Any, mirrored: Any) -> Any:
    """Mirror the images where `mirrored`, bool [n], says so: the bits that resampling gives, in a fifth of its time."""
    rows = tf.dynamic_partition(tf.range(tf.shape(images)[0]), tf.cast(mirrored, tf.int32), 2)
    parts = [tf.gather(images, rows[0]), tf.reverse(tf.gather(images, rows[1]), [2])]
    return tf.ensure_shape(tf.dynamic_stitch(rows, parts), images.shape)


def _colour(images: Any, options: AugmentOptions, seeds: Any) -> Any:
    """Contrast around the image's mean, saturation around its luma, then brightness; float32 in [-1, 1]."""
    shape = [tf.shape(images)[0], 1, 1, 1]
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    images = mean + (images - mean) * (1.0 + _uniform(shape, options.contrast, seeds[3]))
    images = _saturate(images, 1.0 + _uniform(shape, options.saturation, seeds[4]))
    images += _uniform(shape, 2.0 * options.brightness, seeds[5])
    return tf.clip_by_value(images, -1.0, 1.0)


def _saturate(images: Any, factor: Any) -> Any:
    """Multiply the distance of every pixel from its luma by `factor`, [n, 1, 1, 1]."""
    n, side = tf.shape(images)[0], images.shape[1]
    # Channels laid out as columns, as in `_cutout`.
    flat = tf.reshape(images, [n, side, side * CHANNELS])
    luma = tf.reduce_sum(tf.reshape(flat * tf.constant(LUMA * side), [n, side, side, CHANNELS]), -1)
    luma = tf.repeat(luma, CHANNELS, axis=2)
    return tf.reshape(luma + (flat - luma) * factor[..., 0], [n, side, side, CHANNELS])


def _blur(images: Any, options: AugmentOptions, seed: Any) -> Any:
    """Blur each image by a Gaussian of its own, its standard deviation drawn from 0 to `blur` x side / 96 pixels.

    The kernel differs from image to image but not within one, so the images are laid side by side as channels of a
    single one: two depthwise convolutions, down and across, do for the batch. At the edges the image is reflected.
    """
    side = images.shape[1]
    n = tf.shape(images)[0]
    largest = options.blur * side / BLUR_SIDE
    radius = math.ceil(GAUSSIAN_REACH * largest)
    taps = tf.range(-radius, radius + 1, dtype=tf.float32)[:, None]
    # Far below a tenth of a pixel the kernel is 1 and zeros; at 0 it would be 0 / 0.
    sigma = tf.maximum(tf.random.stateless_uniform([1, n], seed, 0.0, largest), 0.1)
    kernel = tf.exp(-0.5 * tf.square(taps / sigma))
    kernel = tf.repeat(kernel / tf.reduce_sum(kernel, 0, keepdims=True), CHANNELS, axis=1)
    plane = tf.reshape(tf.transpose(images, [1, 2, 0, 3]), [1, side, side, n * CHANNELS])
    plane = tf.pad(plane, [[0, 0], [radius, radius], [radius, radius], [0, 0]], "SYMMETRIC")
    for shape in ([-1, 1], [1, -1]):
        weights = tf.reshape(kernel, [*shape, n * CHANNELS, 1])
        plane = tf.nn.depthwise_conv2d(plane, weights, strides=[1, 1, 1, 1], padding="VALID")
    return tf.transpose(tf.reshape(plane, [side, side, n, CHANNELS]), [2, 0, 1, 3])


def _cutout(images: Any, options: AugmentOptions, seeds: Any) -> Any:
    """Cover half of the images with a rectangle of one grey, its sides up to `cutout` of the image's, anywhere in it.

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017, with random
    sides and greys, as in Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
    """
    n, side = tf.shape(images)[0], images.shape[1]
    half = tf.random.stateless_uniform([n, 2], seeds[0], 0.0, 0.5 * options.cutout * side)
    centre = tf.random.stateless_uniform([n, 2], seeds[1], 0.0, side)
    covered = tf.random.stateless_uniform([n, 1], seeds[2]) < 0.5
    inside = tf.abs(tf.range(side, dtype=tf.float32) + 0.5 - centre[..., None]) < half[..., None]
    down, across = tf.unstack(inside & covered[..., None], axis=1)
    grey = tf.random.stateless_uniform([n, 1, 1], seeds[3], -1.0, 1.0)
    # Channels laid out as columns: broadcasting over a last axis of three takes twice the time.
    flat = tf.reshape(images, [n, side, side * CHANNELS])
    mask = down[..., None] & tf.repeat(across, CHANNELS, axis=1)[:, None]
    return tf.reshape(tf.where(mask, grey, flat), [n, side, side, CHANNELS])


def _shrink(images: Any, options: AugmentOptions, seeds: Any) -> Any:
    """Make half of the images smaller by a random factor of up to `downscale`, and enlarge them again.

    What a camera does to a face far away, and the resize to the network's input after it: every pixel of the small
    image is the mean of the area it covers, and the way back is bilinear. Each image has a size of its own, so both
    ways together are one matrix an image, applied down and across.
    """
    n, side = tf.shape(images)[0], images.shape[1]
    chosen = tf.random.stateless_uniform([n], seeds[0]) < 0.5
    factor = tf.random.stateless_uniform([n], seeds[1], 1.0, max(options.downscale, 1.0))
    small = tf.where(chosen, tf.maximum(tf.round(side / factor), 1.0), float(side))[:, None, None]
    pixels = tf.range(side, dtype=tf.float32)
    stride, rows = side / small, pixels[None, :, None]
    covered = tf.minimum((rows + 1.0) * stride, pixels + 1.0) - tf.maximum(rows * stride, pixels)
    down = tf.maximum(covered, 0.0) / stride
    place = tf.clip_by_value((pixels[None, :, None] + 0.5) / stride - 0.5, 0.0, small - 1.0)
    both = tf.matmul(tf.maximum(1.0 - tf.abs(place - pixels), 0.0), down)
    images = tf.matmul(both, tf.reshape(images, [n, side, side * CHANNELS]))
    images = tf.transpose(tf.reshape(images, [n, side, side, CHANNELS]), [0, 2, 1, 3])
    images = tf.matmul(both, tf.reshape(images, [n, side, side * CHANNELS]))
    return tf.transpose(tf.reshape(images, [n, side, side, CHANNELS]), [0, 2, 1, 3])


def _grey(images: Any, options: AugmentOptions, seed: Any) -> Any:
    """Give a share of the images their luma in all three channels."""
    chosen = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed) < options.grey
    return tf.where(chosen, tf.reduce_sum(images * tf.constant(LUMA), -1, keepdims=True), images)


def augment(images: Any, options: AugmentOptions, seed: Any) -> Any:
    """Random geometry, blur, distance, colour and cutout, the same for the same `seed` (int64 [2]).

    float32 [n, side, side, 3] in [-1, 1] in and out. Blur, cutout, downscale and grey have seeds of their own, so that
    switching them on leaves the other changes as they were.
    """
    seeds = tf.unstack(tf.random.split(seed, 6))
    later = tf.unstack(tf.random.split(tf.random.fold_in(seed, 1), 5))
    images = _geometry(images, options, seeds)
    latest = tf.unstack(tf.random.split(tf.random.fold_in(seed, 2), 3))
    if options.blur:
        images = _blur(images, options, later[0])
    if options.downscale:
        images = _shrink(images, options, latest[:2])
    images = _colour(images, options, seeds)
    if options.grey:
        images = _grey(images, options, latest[2])
    return _cutout(images, options, later[1:]) if options.cutout else images


def _gather(faces: FaceSet) -> Any:
    """A tensor function that reads rows of the memory-mapped images."""
    shape = (None, *faces.images.shape[1:])

    def rows(indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        images = faces.images[indices]
        release(faces.images)
        return images

    def gather(indices: Any) -> Any:
        return tf.ensure_shape(tf.numpy_function(rows, [indices], tf.uint8, stateful=False), shape)

    return gather


def training_batches(
    faces: FaceSet,
    order: NDArray[np.int64],
    batch_size: int,
    augmentation: AugmentOptions | None,
    seed: int,
    teacher: NDArray[np.float32] | None = None,
    first_step: int = 0,
) -> Any:
    """A dataset of (float32 images, (int64 labels, teacher's fingerprints)), dropping the incomplete last batch.

    Args:
        faces: the images.
        order: int64 [m], indices into `faces` in the order of training, over all epochs.
        batch_size: images a batch.
        augmentation: None leaves the images as they are.
        seed: of the augmentation.
        teacher: float32 [images, t]; None delivers fingerprints of length 0.
        first_step: number of the first batch, from 0; the augmentation of a batch depends on its number.
    """
    gather = _gather(faces)
    labels = tf.constant(faces.labels)
    vectors = tf.constant(np.zeros((len(faces.labels), 0), np.float32) if teacher is None else teacher)

    def load(step: Any, indices: Any) -> Any:
        # Rows are read in file order; within a batch the order means nothing.
        indices = tf.sort(indices)
        images = to_network_range(gather(indices))
        if augmentation is not None:
            images = augment(images, augmentation, tf.stack([tf.cast(seed, tf.int64), step]))
        return images, (tf.gather(labels, indices), tf.gather(vectors, indices))

    batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)
    steps = tf.data.Dataset.counter(first_step)
    dataset = tf.data.Dataset.zip((steps, batches))
    return dataset.map(
        tf.autograph.experimental.do_not_convert(load), num_parallel_calls=2, deterministic=True
    ).prefetch(2)


def shuffled_order(labels: NDArray[np.int64], epochs: int, batch_size: int, seed: int) -> NDArray[np.int64]:
    """A fresh permutation an epoch, each cut to whole batches, joined: int64 [epochs * whole]."""
    rng, count = np.random.default_rng(seed), len(labels)
    whole = max(count // batch_size, 1) * min(batch_size, count)
    return np.concatenate([rng.permutation(count)[:whole] for _ in range(epochs)])


def even_order(labels: NDArray[np.int64], epochs: int, batch_size: int, seed: int) -> NDArray[np.int64]:
    """As many images as `shuffled_order`, drawn so that every identity comes equally often: int64 [epochs * whole].

    An identity's images are gone through in a random order before one of them comes again, over all epochs.
    """
    rng = np.random.default_rng(seed)
    whole = max(len(labels) // batch_size, 1) * min(batch_size, len(labels))
    images, slots = _by_person(labels), epochs * whole
    rounds = -(-slots // len(images))
    turns = np.concatenate([rng.permutation(len(images)) for _ in range(rounds)])[:slots]
    order = np.empty(slots, np.int64)
    for person, own_slots in zip(np.unique(turns), _by_person(turns), strict=True):
        own = images[person]
        passes = [rng.permutation(own) for _ in range(-(-len(own_slots) // len(own)))]
        order[own_slots] = np.concatenate(passes)[: len(own_slots)]
    return order


def _by_person(labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The positions of each label that occurs, in ascending order of the label."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


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
