"""The statistics of batch normalisation, taken anew of the weights as they are.

While a network trains they are a moving average over its last few dozen steps, of weights that have moved on since.
After a short training, or where weights are averaged, they belong to a network that never was, and its fingerprints are
much the worse for it (docs/training.md). So they are replaced by the mean of what batches of training images give: Wu
and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3; for averaged weights Izmailov et al., "Averaging
Weights Leads to Wider Optima and Better Generalization", UAI 2018.
"""

from __future__ import annotations

from typing import Any

from facerec_core.batches import shuffled_order, training_batches
from facerec_core.data.records import FaceSet
from facerec_core.tf import keras


def settle(network: Any, faces: FaceSet, batch_size: int, batches: int, seed: int) -> None:
    """Set the statistics of a network to their means over batches of images that are not augmented.

    Args:
        network: what is settled in place; its weights stay.
        faces: the training split, at the network's resolution.
        batch_size: images a batch.
        batches: how many at the most; an image counts once.
        seed: which images.
    """
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    batch_size = min(batch_size, len(faces.labels))
    order = shuffled_order(faces.labels, 1, batch_size, seed)[: batches * batch_size]
    momenta = [norm.momentum for norm in norms]
    for seen, (images, _) in enumerate(training_batches(faces, order, batch_size, None, seed)):
        for norm in norms:
            norm.momentum = seen / (seen + 1)  # read at each call, as nothing is traced here
        network(images, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
