"""The one place that imports TensorFlow; it takes seconds, so only training and conversion import this.

tf_keras (Keras 2) is used throughout, because tensorflow-model-optimization works on nothing newer.
"""

from __future__ import annotations

import logging
import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

with warnings.catch_warnings():
    # Deprecations inside the three packages are theirs to mend; ours are errors in the tests.
    warnings.simplefilter("ignore")
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot
    import tf_keras as keras
    from tensorflow.lite.python.convert import ConverterError, mlir_quantize
    from tensorflow.lite.tools import flatbuffer_utils

for _name in ("tensorflow", "absl"):
    logging.getLogger(_name).setLevel(logging.ERROR)

__all__ = ["ConverterError", "configure", "flatbuffer_utils", "keras", "mlir_quantize", "tf", "tfmot"]


def configure(threads: int, seed: int) -> None:
    """Forget earlier networks, fix the seeds of Python, numpy and TensorFlow and, where still possible, the threads.

    Args:
        threads: threads a single operator may use; 0 leaves the choice to TensorFlow.
        seed: the seed of this candidate.
    """
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(max(threads, 1))
        except RuntimeError:
            # TensorFlow has started already; a worker process sets its threads before its first candidate.
            pass
    # Without it the graphs of earlier candidates stay in memory.
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
