"""What the tests with TensorFlow share: one thread, and images that a few steps can learn."""

from pathlib import Path

import numpy as np
import pytest

from facerec_core.data.records import FaceSet

SIDE = 96


def pytest_collection_modifyitems(items):
    """Importing TensorFlow takes each test process ten seconds, too much for the fast tier."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Before anything else: the number of threads cannot be changed once TensorFlow has started."""
    from facerec_core.tf import configure

    configure(1, 0)


@pytest.fixture(scope="module", autouse=True)
def _seeded_module(_one_thread):
    """What a module trains for all of its tests does not depend on the modules before it."""
    from facerec_core.tf import configure

    configure(1, 0)


@pytest.fixture(autouse=True)
def _seeded(_one_thread):
    from facerec_core.tf import configure

    configure(1, 0)


@pytest.fixture(scope="session")
def faces():
    """Four identities of eight images: each its own coarse pattern, with noise."""
    rng = np.random.default_rng(0)
    patterns = np.repeat(np.repeat(rng.uniform(40, 215, (4, 6, 6, 3)), SIDE // 6, 1), SIDE // 6, 2)
    labels = np.tile(np.arange(4), 8)
    images = np.clip(patterns[labels] + rng.normal(0, 12, (32, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    names = tuple(f"person{label}/{number}.png" for number, label in enumerate(labels))
    return FaceSet(images, labels.astype(np.int64), names, tuple(f"person{label}" for label in range(4)))


def silent(done, total, note=""):
    pass
