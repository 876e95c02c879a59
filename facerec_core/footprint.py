"""What a network takes of flash and RAM, predicted from its layer list before it exists, without TensorFlow.

File: the stripped int8 .tflite of `facerec_core.strip`, item by item as FlatBuffers lays it out
(https://flatbuffers.dev/internals/). Values decide a little too: equal scales are stored once, which layers of
different ranges do not have in common. That is all the prediction leaves open, some hundred bytes.

Arena: what TensorFlow Lite Micro allocates, in its own order and with its own alignment, and its greedy memory planner
run on the sizes and lifetimes of the tensors. The sizes of its structures are those a compiler gives at commit
90b983c2b3f1480642e040bbd2ddb37b998f3424 of https://github.com/tensorflow/tflite-micro; the files that decide are
tensorflow/lite/micro/micro_allocator.cc, micro_interpreter.cc, memory_planner/greedy_memory_planner.cc and
kernels/{conv_common,depthwise_conv_common,reduce_common}.cc with kernels/cmsis_nn/{conv,depthwise_conv,add}.cc.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from facerec_core.arch import Kind, Layer
from facerec_core.errors import require
from facerec_core.types import Arena

WITH_WEIGHTS: tuple[Kind, ...] = ("conv", "pointwise", "depthwise", "dense")

FINGERPRINT_OVERHEAD_BYTES = 32
"""Upper bound of what a stored fingerprint takes beside its numbers: a name of up to 24 bytes of UTF-8, and its
length, a check sum and padding in 8."""

OFFSET = 4
"""Bytes of an offset, and of the length in front of a vector."""
CONSTANT_TENSOR = 24 + OFFSET
ACTIVATION_TENSOR = 20 + OFFSET
"""Its buffer is the empty one, number 0, which is the default and not stored."""
PER_CHANNEL = 12
PER_CHANNEL_OF_DEPTHWISE = PER_CHANNEL + 4
"""Tables that point at scales and zero points; a depthwise kernel also states the dimension, which is not 0."""
PER_TENSOR = 12 + (OFFSET + 4) + (OFFSET + 8)
"""The same for an activation, with its one scale (float32) and one zero point (int64). Outputs clipped to [0, 6] have
theirs in common."""
CONV_OPERATOR = 20 + OFFSET
OTHER_OPERATOR = 24 + OFFSET
"""Number 0 among the operator codes, the convolution, is the default and not stored."""
BUFFER_TABLE = 8
DATA_ALIGNMENT = 16
AXES_BYTES = 8
MODEL_BYTES = 600
"""Layouts of the tables and options of the operators (380), operator codes (108), root, identifier and lists (52), and
the padding of some fourteen vectors of zero points."""


def predict_file_bytes(network: Sequence[Layer]) -> int:
    """Size of the stripped int8 .tflite of a network, in bytes.

    Args:
        network: the layers of `facerec_core.arch.layers`, without a head.

    Raises:
        ValueError: the network ends in a head, which no deployed file has.
    """
    _refuse_head(network)
    channels = {layer.channels_out for layer in network if layer.kind in WITH_WEIGHTS}
    shapes = {(2,), (1, network[0].side_in, network[0].side_in, network[0].channels_in)}.union(*map(_shapes, network))
    shared = sum(_vector(4, len(shape)) for shape in shapes) + sum(_vector(8, count) for count in channels)
    image = ACTIVATION_TENSOR + PER_TENSOR
    return _up(MODEL_BYTES + image + shared + sum(map(_layer_file_bytes, network)), DATA_ALIGNMENT)


def _refuse_head(network: Sequence[Layer]) -> None:
    if network[-1].name == "head":
        raise ValueError(f"predicted is the network that is deployed, without its head {network[-1].name!r}")


def _vector(item_bytes: int, count: int) -> int:
    return OFFSET + item_bytes * count


def _shapes(layer: Layer) -> tuple[tuple[int, ...], ...]:
    """The shapes a layer adds to the file: of its output, its weights and its biases."""
    if layer.kind == "mean":
        return ((1, layer.channels_out),)
    if layer.kind == "dense":
        return ((1, layer.channels_out), (layer.channels_out, layer.channels_in), (layer.channels_out,))
    output = (1, layer.side_out, layer.side_out, layer.channels_out)
    if layer.kind not in WITH_WEIGHTS:
        return (output,)
    if layer.kind == "depthwise":
        return (output, (1, layer.kernel, layer.kernel, layer.channels_out), (layer.channels_out,))
    return (output, (layer.channels_out, layer.kernel, layer.kernel, layer.channels_in), (layer.channels_out,))


def _layer_file_bytes(layer: Layer) -> int:
    """Bytes of one operator, its output and its constants, shapes and zero points of channels left out."""
    if layer.kind == "mean":
        axes = CONSTANT_TENSOR - 4 + _buffer(AXES_BYTES)
        return OTHER_OPERATOR + _vector(4, 2) + _vector(4, 1) + ACTIVATION_TENSOR + axes
    output = ACTIVATION_TENSOR + (0 if layer.relu6 else PER_TENSOR)
    if layer.kind not in WITH_WEIGHTS:
        return OTHER_OPERATOR + _vector(4, 2) + _vector(4, 1) + output
    depthwise = layer.kind == "depthwise"
    operator = (
        (OTHER_OPERATOR if layer.kind in ("depthwise", "dense") else CONV_OPERATOR) + _vector(4, 3) + _vector(4, 1)
    )
    tables = 2 * CONSTANT_TENSOR + PER_CHANNEL + (PER_CHANNEL_OF_DEPTHWISE if depthwise else PER_CHANNEL)
    scales = 2 * _vector(4, layer.channels_out)
    data = _buffer(_weight_bytes(layer)) + _buffer(4 * layer.channels_out)
    return operator + output + tables + scales + data


def _weight_bytes(layer: Layer) -> int:
    inputs = 1 if layer.kind == "depthwise" else layer.channels_in
    return layer.kernel**2 * inputs * layer.channels_out


def _buffer(data_bytes: int) -> int:
    """A buffer with its data, which begins at a multiple of 16."""
    return _up(data_bytes + OFFSET + BUFFER_TABLE, DATA_ALIGNMENT) + OFFSET


def _up(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def fingerprints_that_fit(free_bytes: int, embedding: int) -> int:
    """How many fingerprints with their names fit, at least, into `free_bytes` of flash; 0 where none does.

    Args:
        free_bytes: flash beside program and network; negative where they do not fit themselves.
        embedding: length of a fingerprint, one byte each.
    """
    return max(free_bytes, 0) // (embedding + FINGERPRINT_OVERHEAD_BYTES)


@dataclass(frozen=True)
class _Structures:
    """Bytes of the interpreter's structures in one build; `start` are those it makes before it sees the network."""

    pointer: int
    start: tuple[int, ...]
    eval_tensor: int
    node: int
    add_options: int
    add_options_alignment: int
    conv_data: int
    tensor: int
    quantization: int
    dense_options: int
    dense_data: int
    stem_scratch: bool


_DEVICE = _Structures(4, (36, 44, 36, 8, 8), 12, 32, 2, 1, 60, 32, 12, 12, 64, stem_scratch=True)
"""Arm EABI, CMSIS-NN kernels: allocator, planner, micro allocator, options' allocator, graph; 1-byte enumerations."""
_HOST = _Structures(8, (104, 72, 272, 16, 24), 24, 64, 8, 4, 80, 64, 24, 24, 80, stem_scratch=False)
"""x86-64, reference kernels, with records of allocations and compressed weights: the tflite-micro package."""
Allocation = tuple[int, int]
"""Bytes and their alignment."""
CONV_OPTIONS = 28
REDUCE_OPTIONS = 1
ADD_DATA = 60
REDUCE_DATA = 44
ARENA_ALIGNMENT = 16
ZERO_POINT_ARRAY = 8
MEAN_SCRATCH_BUFFERS = 3


def predict_arena(network: Sequence[Layer], pointer_bytes: int = 4) -> Arena:
    """The arena of TensorFlow Lite Micro for the int8 network, in bytes, without running anything.

    Args:
        network: the layers of `facerec_core.arch.layers`, without a head.
        pointer_bytes: 4 for a Cortex-M4 or M7 with CMSIS-NN, 8 for the interpreter `facerec_core.arena` measures with.

    Raises:
        OptionError: any other size of pointers.
        ValueError: the network ends in a head, which no deployed file has.
    """
    require(pointer_bytes in (4, 8), "pointer_bytes", pointer_bytes, "4, a device, or 8, this host")
    _refuse_head(network)
    build = _DEVICE if pointer_bytes == _DEVICE.pointer else _HOST
    persistent, activation = _persistent_bytes(network, build), _planned_bytes(_lifetimes(network, build))
    return Arena(persistent + activation, persistent, activation)


def _persistent_bytes(network: Sequence[Layer], build: _Structures) -> int:
    """Where the tail of the arena ends after all allocations, each aligned."""
    used = 0
    for size, alignment in _allocations(network, build):
        used = _up(used + size, alignment)
    return used


def _allocations(network: Sequence[Layer], build: _Structures) -> Iterator[Allocation]:
    """(bytes, alignment) of what lives as long as the interpreter, in the order it is allocated."""
    weighted = [layer for layer in network if layer.kind in WITH_WEIGHTS]
    yield from ((size, build.pointer) for size in build.start)
    image_and_axes = 2
    yield build.eval_tensor * (len(network) + 2 * len(weighted) + image_and_axes), build.pointer
    yield build.node * len(network), build.pointer
    add_options = (build.add_options, build.add_options_alignment)
    yield from _by_kind(network, (CONV_OPTIONS, 4), add_options, (REDUCE_OPTIONS, 1), (build.dense_options, 4))
    aligned = ((size, ARENA_ALIGNMENT) for size in (build.conv_data, ADD_DATA, REDUCE_DATA, build.dense_data))
    yield from _by_kind(network, *aligned)
    for layer in weighted:
        # Multiplier and shift of each channel, int32 both.
        yield 4 * layer.channels_out, ARENA_ALIGNMENT
        yield 4 * layer.channels_out, ARENA_ALIGNMENT
    yield build.pointer * (MEAN_SCRATCH_BUFFERS + build.stem_scratch), build.pointer
    for _ in ("input", "output"):
        yield build.pointer, ARENA_ALIGNMENT
        yield build.tensor, build.pointer
        yield build.quantization, build.pointer
        yield ZERO_POINT_ARRAY, 4


def _by_kind(
    network: Iterable[Layer], conv: Allocation, add: Allocation, mean: Allocation, dense: Allocation
) -> Iterator[Allocation]:
    other = {"add": add, "mean": mean, "dense": dense}
    return (other.get(layer.kind, conv) for layer in network)


def _lifetimes(network: Sequence[Layer], build: _Structures) -> list[tuple[int, int, int]]:
    """(bytes, first operator, last operator) of every tensor and scratch buffer, in the planner's order.

    Operators count from 1; the image is there at 0.
    """
    image = network[0].side_in ** 2 * network[0].channels_in
    last = _last_uses(network)
    tensors = [(image, 0, last[0])]
    for position, layer in enumerate(network, 1):
        tensors.append((layer.side_out**2 * layer.channels_out, position, last[position]))
    mean = 1 + next(position for position, layer in enumerate(network) if layer.kind == "mean")
    # The sums, and two lists of indices the mean counts with.
    scratch = [(4 * network[mean - 1].channels_out, mean, mean), (4 * 4, mean, mean), (4 * 2, mean, mean)]
    if build.stem_scratch:
        # Two columns of the input under the kernel as int16, each padded to a multiple of 4 (CMSIS-NN, DSP extension).
        column = _up(network[0].kernel ** 2 * network[0].channels_in, 4)
        scratch.insert(0, (2 * 2 * column, 1, 1))
    return tensors + scratch


def _last_uses(network: Sequence[Layer]) -> list[int]:
    """The operator that reads each tensor last, by the operator that made it (0 is the image)."""
    last = [position + 1 for position in range(len(network))] + [len(network)]
    start = {layer.block: position for position, layer in reversed(list(enumerate(network)))}
    for position, layer in enumerate(network, 1):
        if layer.kind == "add":
            last[start[layer.block]] = position
    return last


def _planned_bytes(buffers: Sequence[tuple[int, int, int]]) -> int:
    """Height of the greedy planner's plan: the largest first, each into the lowest gap among those alive with it.

    Of equal sizes the one that was added last comes first. Gaps that are left can make the plan higher than the
    sum of what is alive at any one time: by 7 % at width 0.5.
    """
    aligned = [(_up(size, ARENA_ALIGNMENT), first, last) for size, first, last in buffers]
    placed: list[tuple[int, int, int, int]] = []
    for index in sorted(range(len(aligned)), key=lambda index: (-aligned[index][0], -index)):
        size, first, last = aligned[index]
        offset = 0
        for low, high, born, dead in placed:
            if born <= last and first <= dead:
                if low - offset >= size:
                    break
                offset = max(offset, high)
        insort(placed, (offset, offset + size, first, last))
    return max(high for _, high, _, _ in placed)
