"""Where a network's first weights come from: `train.init` as none, imagenet, FILE, slice:FILE or grow:FILE.

Slicing keeps, wherever two layers meet, the channels that matter most there: those with the largest batch-normalisation
scale (Liu et al., "Network Slimming", ICCV 2017) times the absolute weights that read them (Li et al., "Pruning Filters
for Efficient ConvNets", ICLR 2017). Blocks joined by residual additions keep the same channels.

Growing keeps a narrower network whole, in the manner of Chen, Goodfellow and Shlens, "Net2Net", ICLR 2016: what is
computed stays the same, because nothing reads the new channels yet. They begin at random and are read as soon as
training finds them useful.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core import arch
from facerec_core.errors import OptionError
from facerec_core.stages import file_digest
from facerec_core.types import Candidate
from facerec_core.weights import check_shapes, own_key, read_arrays, to_arrays

Arrays = Mapping[str, NDArray[Any]]
SLICE, GROW = "slice:", "grow:"
VECTORS = ("gamma", "beta", "moving_mean", "moving_variance")
ANY_SIDE = 96  # weights do not depend on the resolution
ALLOWED = (
    "none, imagenet, a .npz, .h5 or .keras of MobileNetV2 weights, slice:FILE of a network at least as wide, "
    "or grow:FILE of one at most as wide"
)
GROWTH_SEED = 0
"""The new channels are the same in every run; what a run's own seed varies comes after them."""
IMAGENET = "imagenet"
IMAGENET_WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
"""Widths for which Keras publishes weights, of 224 px, with 1280 channels in the last convolution below width 1."""


def init_identity(init: str) -> str:
    """What the initial weights are, by content: "none", "imagenet", or a hash of the file and how it is used.

    Raises:
        OptionError: the file cannot be read.
    """
    if init in ("none", IMAGENET):
        return init
    try:
        digest = file_digest(_path(init))
    except OSError as error:
        raise OptionError("train.init", init, ALLOWED, f"it cannot be read: {error.strerror}") from error
    return f"{_way(init)}{digest}"


def _way(init: str) -> str:
    """What precedes the file's name: how it is used."""
    return next((way for way in (SLICE, GROW) if init.startswith(way)), "")


def _path(init: str) -> Path:
    return Path(init.removeprefix(_way(init))).expanduser()


def check_init(init: str, candidate: Candidate) -> None:
    """Raise what `initial_arrays` would, as far as that is known without TensorFlow and without fetching anything."""
    if init != IMAGENET:
        initial_arrays(init, candidate)
    elif candidate.width not in IMAGENET_WIDTHS:
        widths = ", ".join(map(str, IMAGENET_WIDTHS))
        raise OptionError("train.init", init, f"another start at width {candidate.width:g}: weights exist for {widths}")


def _imagenet_arrays(candidate: Candidate) -> Arrays:
    """Keras' ImageNet weights of the candidate's width, from its cache or fetched into it; imports TensorFlow."""
    from facerec_core.tf import keras

    check_init(IMAGENET, candidate)
    try:
        model = keras.applications.MobileNetV2((224, 224, 3), candidate.width, include_top=False, weights="imagenet")
    except Exception as error:  # whatever the network and Keras raise; the message names it
        place = "put Keras' mobilenet_v2_weights_tf_dim_ordering_tf_kernels_WIDTH_224_no_top.h5 into ~/.keras/models"
        hint = f"they cannot be fetched ({str(error).splitlines()[0]}); {place}, or give that file"
        raise OptionError("train.init", IMAGENET, ALLOWED, hint) from error
    return {own_key(key): array for key, array in to_arrays(model).items()}


def initial_arrays(init: str, candidate: Candidate) -> Arrays:
    """The weights that `init`, which is not none, gives a candidate.

    Raises:
        OptionError: the weights are of another width or embedding, or too narrow to be sliced; names the layers.
        StorageError: the file cannot be read.
    """
    if init == IMAGENET:
        arrays = _imagenet_arrays(candidate)
    else:
        arrays = read_arrays(_path(init), "set train.init=none, or another file")
    change = {SLICE: slice_arrays, GROW: grow_arrays}.get(_way(init))
    if change:
        arrays = change(arrays, candidate.width, candidate.last or candidate.embedding)
    check_shapes(arrays, _shapes(candidate), init)
    return arrays


def _shapes(candidate: Candidate) -> dict[str, tuple[int, ...]]:
    """The shape of every weight of a candidate's headless network, by key."""
    out: dict[str, tuple[int, ...]] = {}
    for layer in arch.candidate_layers(candidate):
        if not layer.batch_norm:
            continue
        out[_kernel(layer)] = _kernel_shape(layer)
        out |= {f"{layer.name}_bn__{vector}": (layer.channels_out,) for vector in VECTORS}
    return out


def _kernel_shape(layer: arch.Layer) -> tuple[int, ...]:
    last = 1 if layer.kind == "depthwise" else layer.channels_out
    return (layer.kernel, layer.kernel, layer.channels_in, last)


def _kernel(layer: arch.Layer) -> str:
    return f"{layer.name}__depthwise_kernel" if layer.kind == "depthwise" else f"{layer.name}__kernel"


@dataclass(frozen=True)
class _Link:
    """A convolution between two sets of channels; layers joined by an addition write the same set."""

    layer: arch.Layer
    reads: str
    writes: str


def _links(width: float, last: int) -> tuple[_Link, ...]:
    """The convolutions of a network in order, with the sets of channels they read and write."""
    layers = arch.layers(width, ANY_SIDE, last)
    added = {layer.block for layer in layers if layer.kind == "add"}
    links, current, entry, block = [], "image", "image", None
    for layer in layers:
        if layer.block != block:
            entry, block = current, layer.block
        if layer.kind in ("add", "mean"):
            continue
        writes = layer.name
        if layer.kind == "depthwise":
            writes = current
        elif layer.name.endswith("project") and layer.block in added:
            writes = entry
        links.append(_Link(layer, current, writes))
        current = writes
    return tuple(links)


def slice_arrays(arrays: Arrays, width: float, last: int) -> dict[str, NDArray[Any]]:
    """The weights of a narrower network, cut out of those of a wider one.

    Args:
        arrays: the wider network's, as `read_arrays` gives them.
        width: width multiplier of the narrower one.
        last: channels of its last convolution.

    Raises:
        OptionError: `arrays` lack a layer or are narrower somewhere.
    """
    links = _links(width, last)
    _check_wide_enough(arrays, links)
    kept = _kept_channels(arrays, links)
    out = {}
    for link in links:
        name, reads, writes = link.layer.name, kept.get(link.reads), kept[link.writes]
        kernel = _kernel(link.layer)
        weights = arrays[kernel] if reads is None else arrays[kernel][:, :, reads]
        out[kernel] = weights if link.layer.kind == "depthwise" else weights[..., writes]
        for vector in VECTORS:
            out[f"{name}_bn__{vector}"] = arrays[f"{name}_bn__{vector}"][writes]
    return out


def _check_wide_enough(arrays: Arrays, links: tuple[_Link, ...]) -> None:
    for link in links:
        gamma = arrays.get(f"{link.layer.name}_bn__gamma")
        found = 0 if gamma is None else len(gamma)
        if found < link.layer.channels_out:
            what = f"{found} channels of {link.layer.name}, where {link.layer.channels_out} are needed"
            raise OptionError("train.init", what, "slice:FILE of a network at least as wide in every layer")


def _kept_channels(arrays: Arrays, links: tuple[_Link, ...]) -> dict[str, NDArray[np.int64]]:
    """For each set of channels the indices to keep, in their old order."""
    written: defaultdict[str, Any] = defaultdict(float)
    read: defaultdict[str, Any] = defaultdict(float)
    count = {}
    for link in links:
        written[link.writes] += np.abs(arrays[f"{link.layer.name}_bn__gamma"])
        count[link.writes] = link.layer.channels_out
        if link.layer.kind == "pointwise":
            read[link.reads] += np.abs(arrays[f"{link.layer.name}__kernel"]).sum(axis=(0, 1, 3))
    importance = {name: written[name] * read.get(name, 1.0) for name in count}
    return {name: np.sort(np.argsort(-importance[name], kind="stable")[: count[name]]) for name in count}


def grow_arrays(arrays: Arrays, width: float, last: int) -> dict[str, NDArray[Any]]:
    """The weights of a wider network that computes what a narrower one does, its new channels not read yet.

    Args:
        arrays: the narrower network's, as `read_arrays` gives them.
        width: width multiplier of the wider one.
        last: channels of its last convolution.

    Raises:
        OptionError: `arrays` lack a layer or are wider somewhere.
    """
    links, rng, out = _links(width, last), np.random.default_rng(GROWTH_SEED), {}
    _check_narrow_enough(arrays, links)
    for link in links:
        layer, kernel = link.layer, _kernel(link.layer)
        old, shape = arrays[kernel], _kernel_shape(layer)
        fan_in = layer.kernel**2 * (1 if layer.kind == "depthwise" else old.shape[2])
        new = rng.normal(0.0, np.sqrt(2.0 / fan_in), shape).astype(np.float32)
        if layer.kind != "depthwise":
            new[:, :, old.shape[2] :] = 0.0
        new[:, :, : old.shape[2], : old.shape[3]] = old
        out[kernel] = new
        for vector in VECTORS:
            key = f"{layer.name}_bn__{vector}"
            out[key] = np.full(layer.channels_out, vector in ("gamma", "moving_variance"), np.float32)
            out[key][: len(arrays[key])] = arrays[key]
    return out


def _check_narrow_enough(arrays: Arrays, links: tuple[_Link, ...]) -> None:
    for link in links:
        gamma = arrays.get(f"{link.layer.name}_bn__gamma")
        found = 0 if gamma is None else len(gamma)
        if not 0 < found <= link.layer.channels_out:
            what = f"{found} channels of {link.layer.name}, where 1 to {link.layer.channels_out} are allowed"
            raise OptionError("train.init", what, "grow:FILE of a network at most as wide in every layer")
