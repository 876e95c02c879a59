"""Weights as .npz files of plain arrays: nothing is unpickled, and every array is named by layer and weight.

Keys are `LAYER__WEIGHT`, such as `block3_expand__kernel`. The names of Keras' own MobileNetV2 (`Conv1__kernel`,
`block_3_expand_BN__gamma`) and of the original checkpoints (`Conv_weights`, `expanded_conv_3_expand_BatchNorm_gamma`)
are understood too, so published ImageNet weights can be a start.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import OptionError, StorageError
from facerec_core.keras_files import SUFFIXES, read_keras_arrays
from facerec_core.stages import write_file

# A damaged archive shows itself as any of these, depending on which of its bytes is hit.
UNREADABLE = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)
_FIXED = {"Conv1": "stem", "bn_Conv1": "stem_bn", "Conv_1": "last", "Conv_1_bn": "last_bn"}
_BLOCK = re.compile(r"^(?:expanded_conv|block_(?P<index>\d+))_(?P<part>expand|depthwise|project)(?P<bn>_BN)?$")
_CHECKPOINT = re.compile(
    r"^(?:(?P<end>Conv|Conv_1)|expanded_conv_(?:(?P<index>\d+)_)?(?P<part>expand|depthwise|project))"
    r"_(?:(?P<depthwise>depthwise_)?weights|BatchNorm_(?P<statistic>gamma|beta|moving_mean|moving_variance))$"
)
_CHECKPOINT_HEAD = "Logits_"


def _own_name(layer: str) -> str:
    """Keras' layer name as ours; a name that is ours already comes back as it is."""
    match = _BLOCK.match(layer)
    if match is None:
        return _FIXED.get(layer, layer)
    return f"block{match['index'] or 0}_{match['part']}" + ("_bn" if match["bn"] else "")


def to_arrays(model: Any) -> dict[str, NDArray[Any]]:
    """The model's weights by key."""
    return {
        key: weight.numpy() for layer in model.layers for key, weight in zip(_keys(layer), layer.weights, strict=True)
    }


def _keys(layer: Any) -> list[str]:
    return [f"{layer.name}__{weight.name.split('/')[-1].split(':')[0]}" for weight in layer.weights]


def read_arrays(path: Path, hint: str) -> dict[str, NDArray[Any]]:
    """Read weights, an .npz or one of Keras' files, under our names; `hint` ends the message of an error.

    Raises:
        StorageError: the file is missing, or is neither an .npz of plain arrays named LAYER__WEIGHT nor Keras' own.
    """
    kind = path.suffix if path.suffix in SUFFIXES else ".npz"
    read = read_keras_arrays if path.suffix in SUFFIXES else read_plain_arrays
    try:
        return {own_key(name): array for name, array in read(path).items()}
    except UNREADABLE as error:
        raise StorageError(f"{path}: not a readable {kind} of weights ({error}); {hint}") from error


def read_plain_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of an .npz under its own name, nothing unpickled; raises one of `UNREADABLE`."""
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy"): _read_array(archive, name) for name in archive.namelist()}


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def own_key(key: str) -> str:
    """The name of a weight in ours, from Keras' or the original checkpoints'; ValueError for what names none."""
    match = _CHECKPOINT.match(key)
    if match:
        ends = {"Conv": "stem", "Conv_1": "last"}
        layer = ends.get(match["end"]) or f"block{match['index'] or 0}_{match['part']}"
        kernel = "depthwise_kernel" if match["depthwise"] else "kernel"
        return f"{layer}_bn__{match['statistic']}" if match["statistic"] else f"{layer}__{kernel}"
    layer, separator, weight = key.rpartition("__")
    if key.startswith(_CHECKPOINT_HEAD):
        return f"head__{key}"
    if not separator:
        raise ValueError(f"got an array named {key}, allowed: LAYER__WEIGHT")
    return f"{_own_name(layer)}__{weight}"


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an .npz without pickles and wait until it is on the disk."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    write_file(path, stream.getvalue())


def assign(
    model: Any,
    arrays: Mapping[str, NDArray[Any]],
    source: str,
    key: str = "train.init",
    *,
    may_lack: Sequence[str] = (),
) -> None:
    """Set every weight of `model` from `arrays`; extra arrays, such as a head, are ignored.

    The layers named in `may_lack` stay as they are where `arrays` has nothing for them.

    Raises:
        OptionError: names the layers that are missing or of another shape, as with another width.
    """
    lacking = {name for name in may_lack if not any(key.startswith(f"{name}__") for key in arrays)}
    layers = [layer for layer in model.layers if layer.weights and layer.name not in lacking]
    own = to_arrays(model)
    check_shapes(arrays, {name: own[name].shape for layer in layers for name in _keys(layer)}, source, key)
    for layer in layers:
        assign_layer(layer, arrays)


def check_shapes(
    arrays: Mapping[str, NDArray[Any]],
    wanted: Mapping[str, tuple[int, ...]],
    source: str,
    key: str = "train.init",
) -> None:
    """Raise OptionError, naming layers, where an array that is wanted is missing or of another shape."""
    wrong = [
        f"{name} {arrays[name].shape if name in arrays else 'missing'} for {shape}"
        for name, shape in wanted.items()
        if name not in arrays or arrays[name].shape != shape
    ]
    if wrong:
        listed = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise OptionError(key, source, "weights of the same width and embedding", f"layers that differ: {listed}")


def assign_layer(layer: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Set the weights of one layer; all of them are among `arrays`, in the right shapes."""
    layer.set_weights([arrays[key] for key in _keys(layer)])
