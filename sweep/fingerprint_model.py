"""MLflow's "model from code" for one .tflite file: uint8 RGB images in, unit-length fingerprints out.

MLflow stores this file beside the .tflite and runs it when the model is loaded, so nothing is unpickled. It
stands alone: it needs mlflow, numpy and ai-edge-litert where it is loaded, not this project.
"""

from typing import Any

import mlflow
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

BATCH = 32


class FingerprintModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Runs the file `tflite` among its artifacts in LiteRT."""

    def load_context(self, context: Any) -> None:
        """Open the interpreter on the model's file."""
        self._interpreter = Interpreter(model_path=context.artifacts["tflite"], num_threads=1)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self._levels = _input_levels(self._input)

    # A bare np.ndarray is the one annotation of an image batch that MLflow accepts without a warning.
    def predict(
        self,
        context: Any,  # noqa: ARG002
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> NDArray[np.float32]:
        """Fingerprints of images.

        Args:
            context: MLflow's, not used.
            model_input: uint8 RGB [n, side, side, 3], cropped and resized as the network was trained.
            params: none are known.

        Returns:
            float32 [n, d], dequantised and scaled to length 1 (a fingerprint of zeros stays zero).
        """
        parts = [self._run(self._levels[model_input[at : at + BATCH]]) for at in range(0, len(model_input), BATCH)]
        raw = np.concatenate(parts) if parts else np.empty((0, self._output["shape"][-1]), np.float32)
        length = np.linalg.norm(raw, axis=1, keepdims=True)
        unit: NDArray[np.float32] = np.divide(raw, length, out=np.zeros_like(raw), where=length > 0)
        return unit

    def _run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        self._interpreter.resize_tensor_input(self._input["index"], [len(batch), *self._input["shape"][1:]])
        self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(self._input["index"], batch)
        self._interpreter.invoke()
        values: NDArray[np.float32] = self._interpreter.get_tensor(self._output["index"]).astype(np.float32)
        scale, zero_point = self._output["quantization"]
        return (values - np.float32(zero_point)) * np.float32(scale) if scale else values


def _input_levels(details: dict[str, Any]) -> NDArray[Any]:
    """What the network is fed for each pixel value 0-255, in the input's own dtype.

    A pixel x stands for the real number x / 127.5 - 1. Where the input is quantised that often falls half-way
    between two steps, for every x alike; all go up, so that neighbouring pixel values stay apart.
    """
    real: NDArray[np.float64] = np.arange(256) / 127.5 - 1
    scale, zero_point = details["quantization"]
    if not scale:
        return real.astype(np.float32)
    limits = np.iinfo(details["dtype"])
    steps = np.floor(real / scale + zero_point + 0.5 + 1e-4).clip(limits.min, limits.max)
    levels: NDArray[Any] = steps.astype(details["dtype"])
    return levels


mlflow.models.set_model(FingerprintModel())
