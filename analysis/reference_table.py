"""The published MobileNetV2 classifiers: 22 widths and resolutions with their ImageNet accuracy.

Source: https://github.com/tensorflow/models, `research/slim/nets/mobilenet/README.md` at
0ba83cf0211401a8505505276c59418f15338d31, "Mobilenet V2 Imagenet Checkpoints". Accuracies are those of float classifiers
of 1001 classes on ImageNet: they rank networks by how much they can learn, and say nothing about faces.
"""

from __future__ import annotations

from dataclasses import dataclass

from facerec_core.arch import make_divisible
from facerec_core.types import Candidate

NAME = "mobilenet_v2_table"
SOURCE = (
    "https://github.com/tensorflow/models, research/slim/nets/mobilenet/README.md "
    "at 0ba83cf0211401a8505505276c59418f15338d31"
)
LAST_CHANNELS = 1280
_HEADS = ((1.4, 6.06), (1.3, 5.34), (1.0, 3.47), (0.75, 2.61), (0.5, 1.95), (0.35, 1.66))
_RATES = {
    1.4: ((224, 582, 75.0, 92.5),),
    1.3: ((224, 509, 74.4, 92.1),),
    1.0: (
        (224, 300, 71.8, 91.0),
        (192, 221, 70.7, 90.1),
        (160, 154, 68.8, 89.0),
        (128, 99, 65.3, 86.9),
        (96, 56, 60.3, 83.2),
    ),
    0.75: (
        (224, 209, 69.8, 89.6),
        (192, 153, 68.7, 88.9),
        (160, 107, 66.4, 87.3),
        (128, 69, 63.2, 85.3),
        (96, 39, 58.8, 81.6),
    ),
    0.5: (
        (224, 97, 65.4, 86.4),
        (192, 71, 63.9, 85.4),
        (160, 50, 61.0, 83.2),
        (128, 32, 57.7, 80.8),
        (96, 18, 51.2, 75.8),
    ),
    0.35: (
        (224, 59, 60.3, 82.9),
        (192, 43, 58.2, 81.2),
        (160, 30, 55.7, 79.1),
        (128, 20, 50.8, 75.0),
        (96, 11, 45.5, 70.4),
    ),
}


@dataclass(frozen=True)
class PublishedRow:
    """One classifier as published: millions of MACs and parameters, top-1 and top-5 accuracy in per cent."""

    width: float
    resolution: int
    macs_millions: int
    parameters_millions: float
    top1_percent: float
    top5_percent: float

    @property
    def candidate(self) -> Candidate:
        """The network without its classifier; below width 1 the published ones keep 1280 channels at the end."""
        return Candidate(
            self.width, self.resolution, max(LAST_CHANNELS, make_divisible(LAST_CHANNELS * self.width)), None
        )


ROWS: tuple[PublishedRow, ...] = tuple(
    PublishedRow(width, side, macs, parameters, top1, top5)
    for width, parameters in _HEADS
    for side, macs, top1, top5 in _RATES[width]
)
