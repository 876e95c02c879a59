"""Weights in Keras' own files, read without Keras: `.h5`, with or without the model, and `.keras`.

Nothing in them is executed: of a `.keras` archive only the list of layers and the weights are read, so lambdas and
custom objects do no harm.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUFFIXES = (".h5", ".keras")
WEIGHTS_OF = {
    "Conv2D": ("kernel", "bias"),
    "DepthwiseConv2D": ("depthwise_kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "Dense": ("kernel", "bias"),
}
"""Names of a layer's weights in the order in which a `.keras` file numbers them."""


def read_keras_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every weight under LAYER__WEIGHT.

    Raises:
        OSError, KeyError, ValueError, zipfile.BadZipFile: the file is damaged or of another form.
    """
    read = _from_archive if path.suffix == ".keras" else _from_h5
    return dict(read(path))


def _from_h5(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    import h5py

    with h5py.File(path, "r") as file:
        layers = file.get("model_weights", file)
        for layer in map(_text, layers.attrs["layer_names"]):
            for weight in map(_text, layers[layer].attrs["weight_names"]):
                name = weight.rpartition("/")[2].partition(":")[0]
                yield f"{layer}__{name}", np.asarray(layers[layer][weight])


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _from_archive(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    import h5py

    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        weights = io.BytesIO(archive.read("model.weights.h5"))
    seen: Counter[str] = Counter()
    with h5py.File(weights, "r") as file:
        for layer in config["config"]["layers"]:
            kind = layer["class_name"]
            folder = _snake(kind) + (f"_{seen[kind]}" if seen[kind] else "")
            seen[kind] += 1
            variables = _variables(file, folder)
            for name, array in zip(WEIGHTS_OF.get(kind, ()), variables, strict=False):
                yield f"{layer['config']['name']}__{name}", array


def _variables(file: Any, folder: str) -> list[NDArray[Any]]:
    for root in ("layers", "_layer_checkpoint_dependencies"):
        if root in file and folder in file[root]:
            variables = file[root][folder]["vars"]
            return [np.asarray(variables[str(number)]) for number in range(len(variables))]
    return []


def _snake(name: str) -> str:
    """A class's name as Keras writes it in paths: `Conv2D` is conv2d, `BatchNormalization` batch_normalization."""
    spaced = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()
