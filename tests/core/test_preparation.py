"""What PTQ and QAT both need of the float weights is worked out once."""

import numpy as np
import pytest

from facerec_core import preparation
from facerec_core.model import build_network
from facerec_core.preparation import Ready, calibration_sample, prepared
from facerec_core.types import Candidate
from facerec_core.weights import to_arrays
from tests.recipes import tiny_recipe

pytestmark = pytest.mark.slow
CANDIDATE = Candidate(0.35, 96, 16)
RECIPE = tiny_recipe(quant__ptq__calibration_images=8, seed=3)


@pytest.fixture
def asked(monkeypatch):
    """Every way in which weights were worked out."""
    ways = []

    def watched(candidate, arrays, images, equalize, rounding, report):
        ways.append((equalize, rounding))
        return prepared(candidate, arrays, images, equalize, rounding, report)

    monkeypatch.setattr(preparation, "prepared", watched)
    return ways


def test_each_way_is_worked_out_once_from_the_calibration_images(faces, asked):
    arrays = to_arrays(build_network(CANDIDATE))
    ready = Ready(CANDIDATE, arrays, faces, RECIPE)
    assert asked == []
    first = ready(True, "nearest")
    assert ready(True, "nearest") is first
    ready(False, "nearest")
    assert asked == [(True, "nearest"), (False, "nearest")]
    sample = calibration_sample(len(faces.names), 8, 3)
    assert ready.names == tuple(faces.names[row] for row in sample)
    expected = prepared(CANDIDATE, arrays, faces.images[sample], True, "nearest")
    assert all(np.array_equal(first[key], expected[key]) for key in expected)
