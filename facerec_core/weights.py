"""Weights as .npz files of plain arrays: nothing is unpickled, and every array is named by layer and weight.

Keys are `LAYER__WEIGHT`, such as `block3_expand__kernel`. The names that Keras' own MobileNetV2 uses
(`Conv1__kernel`, `block_3_expand_BN__gamma`) are understood too, so its ImageNet weights can be a start.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import OptionError

_FIXED = {"Conv1": "stem", "bn_Conv1": "stem_bn", "Conv_1": "last", "Conv_1_bn": "last_bn"}
_BLOCK = re.compile(r"^(?:expanded_conv|block_(?P<index>\d+))_(?P<part>expand|depthwise|project)(?P<bn>_BN)?$")


def _own_name(layer: str) -> str:
    """Keras' layer name as ours; a name that is ours already comes back as it is."""
    match = _BLOCK.match(layer)
    if match is None:
        return _FIXED.get(layer, layer)
    return f"block{match['index'] or 0}_{match['part']}" + ("_bn" if match["bn"] else "")


def to_arrays(model: Any) -> dict[str, NDArray[Any]]:
    """The model's weights by key."""
    return {
        f"{layer.name}__{weight.name.split('/')[-1].split(':')[0]}": weight.numpy()
        for layer in model.layers
        for weight in layer.weights
    }


def read_arrays(path: Path, key: str = "train.init") -> dict[str, NDArray[Any]]:
    """Read an .npz of weights under our names.

    Raises:
        OptionError: the file is missing, or is not an .npz of plain arrays; `key` is what to change.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise OptionError(
            key, str(path), "none, or a readable .npz of weights", f"reading it failed: {error}"
        ) from error
    named = (name.rsplit("__", 1) for name in arrays)
    return {f"{_own_name(layer)}__{weight}": arrays[f"{layer}__{weight}"] for layer, weight in named}


def assign(model: Any, arrays: Mapping[str, NDArray[Any]], source: str, key: str = "train.init") -> None:
    """Set every weight of `model` from `arrays`; extra arrays, such as a head, are ignored.

    Raises:
        OptionError: names the layers that are missing or of another shape, as with another width.
    """
    wanted = to_arrays(model)
    wrong = [
        f"{name} {arrays[name].shape if name in arrays else 'missing'} for {array.shape}"
        for name, array in wanted.items()
        if name not in arrays or arrays[name].shape != array.shape
    ]
    if wrong:
        listed = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise OptionError(key, source, "weights of the same width and embedding", f"layers that differ: {listed}")
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([arrays[name] for name in wanted if name.rsplit("__", 1)[0] == layer.name])
