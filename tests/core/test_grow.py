"""A grown network computes what the narrower one did, in the channels they have in common."""

import numpy as np
import pytest

from facerec_core.arch import candidate_layers
from facerec_core.initial import grow_arrays
from facerec_core.preparation import restore
from facerec_core.types import Candidate

pytestmark = pytest.mark.slow


def test_a_grown_network_computes_the_same():
    narrow, wide = Candidate(0.35, 96, 448), Candidate(0.5, 96, 640)
    rng = np.random.default_rng(5)
    arrays = {}
    for layer in candidate_layers(narrow):
        if not layer.batch_norm:
            continue
        depthwise = layer.kind == "depthwise"
        shape = (layer.kernel, layer.kernel, layer.channels_in, 1 if depthwise else layer.channels_out)
        scale = (2.0 / (layer.kernel**2 * (1 if depthwise else layer.channels_in))) ** 0.5
        key = f"{layer.name}__depthwise_kernel" if depthwise else f"{layer.name}__kernel"
        arrays[key] = rng.normal(0, scale, shape).astype(np.float32)
        for vector, low, high in (("gamma", 0.5, 1.5), ("beta", 0, 1), ("moving_mean", -0.1, 0.1)):
            arrays[f"{layer.name}_bn__{vector}"] = rng.uniform(low, high, layer.channels_out).astype(np.float32)
        arrays[f"{layer.name}_bn__moving_variance"] = rng.uniform(0.5, 1.5, layer.channels_out).astype(np.float32)
    images = rng.uniform(-1, 1, (3, 96, 96, 3)).astype(np.float32)
    before = restore(narrow, arrays).predict(images, verbose=0)
    after = restore(wide, grow_arrays(arrays, 0.5, 640)).predict(images, verbose=0)
    assert before.std() > 0.01
    assert np.allclose(after[:, :448], before, atol=1e-4)
