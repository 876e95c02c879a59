"""What an architecture costs, without TensorFlow: parameters, MACs and activations exactly, file and arena closely.

One multiply-add counts as one MAC; additions of a residual, the global mean and activation functions count as
none. Everything is read off the layer list of `facerec_core.arch`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from facerec_core.arch import Layer, layers
from facerec_core.footprint import predict_arena, predict_file_bytes
from facerec_core.types import Cost

MAC_KINDS = ("conv", "pointwise", "depthwise", "dense")
BATCH_NORM_VECTORS = 4
"""Scale, offset, moving mean and moving variance; Keras counts all four as parameters."""
BYTES_PER_PARAMETER = 1


def layer_weights(layer: Layer) -> int:
    """Number of weights, the bias of the classification head included, batch normalisation left out."""
    if layer.kind not in MAC_KINDS:
        return 0
    inputs = 1 if layer.kind == "depthwise" else layer.channels_in
    bias = layer.channels_out if layer.kind == "dense" else 0
    return layer.kernel**2 * inputs * layer.channels_out + bias


def layer_macs(layer: Layer) -> int:
    """Multiply-adds of one layer with SAME padding, the padded border counted in full."""
    if layer.kind not in MAC_KINDS:
        return 0
    inputs = 1 if layer.kind == "depthwise" else layer.channels_in
    return layer.side_out**2 * layer.kernel**2 * inputs * layer.channels_out


def macs_by_kind(network: Iterable[Layer]) -> dict[str, int]:
    """Multiply-adds summed by `MAC_KINDS`; a kind the network does not have is 0."""
    totals = dict.fromkeys(MAC_KINDS, 0)
    for layer in network:
        if layer.kind in totals:
            totals[layer.kind] += layer_macs(layer)
    return totals


def activation_bytes(network: Sequence[Layer]) -> tuple[int, ...]:
    """Bytes of int8 tensors alive while each operator runs, in the order of `network`.

    An operator's input and output are alive together, neither written in place. In a block that ends in an
    addition, the block's input stays alive until the addition has read it.
    """
    alive: list[int] = []
    for _, members in groupby(network, key=lambda layer: layer.block):
        block = list(members)
        kept = _input_bytes(block[0]) if block[-1].kind == "add" else 0
        for position, layer in enumerate(block):
            alive.append(_input_bytes(layer) + _output_bytes(layer) + (kept if position else 0))
    return tuple(alive)


def cost(width: float, resolution: int, embedding: int, classes: int = 1001, last: int | None = None) -> Cost:
    """Cost of one architecture.

    `macs`, `parameter_bytes` and `peak_activation_bytes` belong to the network that is deployed, without its
    head. `macs_by_kind["dense"]` includes the head over `classes` identities, so a published count of the whole
    classifier is the sum of `macs_by_kind`. `parameters` and `parameters_without_batch_norm` include the head.

    Args:
        width: width multiplier.
        resolution: side of the square RGB input, in pixels.
        embedding: length of the fingerprint.
        classes: outputs of the classification head used in training.
        last: channels of the last convolution, where a linear layer maps them to the fingerprint.

    Raises:
        OptionError: an argument that describes no network.
    """
    network = layers(width, resolution, embedding, classes, last)
    deployed, head = network[:-1], network[-1]
    kinds = macs_by_kind(network)
    weights = sum(map(layer_weights, network))
    batch_norm = sum(BATCH_NORM_VECTORS * layer.channels_out for layer in network if layer.batch_norm)
    without_head = weights + batch_norm - layer_weights(head)
    return Cost(
        macs=sum(kinds.values()) - layer_macs(head),
        macs_by_kind=kinds,
        classes=classes,
        parameters=weights + batch_norm,
        parameters_without_head=without_head,
        parameters_without_batch_norm=weights,
        parameter_bytes=without_head * BYTES_PER_PARAMETER,
        peak_activation_bytes=max(activation_bytes(deployed)),
        file_bytes=predict_file_bytes(deployed),
        arena_bytes=predict_arena(deployed).total_bytes,
    )


def _input_bytes(layer: Layer) -> int:
    return layer.side_in**2 * layer.channels_in


def _output_bytes(layer: Layer) -> int:
    return layer.side_out**2 * layer.channels_out
