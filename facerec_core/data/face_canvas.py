"""A canvas with smooth-edged shapes: every drawing of a face is a signed distance turned into coverage.

Planes are float32 [3, height, width] in 0-1; coordinates are half image sides. Only sums, products, quotients
and square roots are taken of whole planes, which IEEE 754 rounds alike everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facerec_core.data.face_genes import Capture

Plane = NDArray[np.floating[Any]]
"""float32 throughout; numpy's stubs take float32 plus a Python number for float64, which it is not."""

RELIEF = 0.55
FRAMING = 1.16
HEAD_WIDTH, HEAD_HEIGHT = 0.78, 1.05


@dataclass(frozen=True)
class Patch:
    """A part of the canvas that is painted on in place.

    `x`, `y` are coordinates on the surface of the upright face, `u`, `v` those of the head's plane, which pose
    does not bend; all float32 [height, width]. `pixel` is a pixel's side, `place` where the patch lies on the canvas.
    """

    x: Plane
    y: Plane
    u: Plane
    v: Plane
    planes: Plane
    pixel: float
    place: tuple[slice, slice]

    def coverage(self, distance: Plane, softness: float = 0.0) -> Plane:
        """Turn a signed distance (negative inside) into coverage 0-1 with an edge of at least a pixel."""
        covered: Plane = distance * (-1 / max(1.4 * self.pixel, softness))
        covered += 0.5
        np.maximum(covered, 0, out=covered)
        np.minimum(covered, 1, out=covered)
        return covered

    def paint(self, mask: Plane, colour: Sequence[float]) -> None:
        """Blend a colour in where `mask` says."""
        rest = np.array(colour, np.float32)[:, None, None] - self.planes
        rest *= mask
        np.add(self.planes, rest, out=self.planes)

    def shade(self, mask: Plane, amount: float | Sequence[float]) -> None:
        """Multiply by 1 + amount where `mask` is 1, channel by channel when three amounts are given."""
        factor = np.array(amount, np.float32).reshape(-1, 1, 1) * mask
        factor += 1
        np.multiply(self.planes, factor, out=self.planes)


@dataclass(frozen=True)
class Canvas:
    """The whole image and the pose that relates it to the face."""

    whole: Patch
    capture: Capture

    def around(self, x: float, y: float, reach_x: float, reach_y: float) -> Patch:
        """The patch that certainly shows the surface within `reach` of (x, y), whatever the pose."""
        c = self.capture
        height = relief(x, y)
        u = x * math.cos(c.yaw) + height * math.sin(c.yaw)
        v = y * math.cos(c.pitch) + height * math.sin(c.pitch)
        cos, sin = math.cos(c.roll), math.sin(c.roll)
        lean = abs(sin) + 0.2
        zoom = FRAMING * c.zoom
        column = _span(zoom * (cos * u - sin * v) + c.shift_x, zoom * (reach_x + lean * max(reach_x, reach_y)), self)
        row = _span(zoom * (sin * u + cos * v) + c.shift_y, zoom * (reach_y + lean * max(reach_x, reach_y)), self)
        w = self.whole
        part = (row, column)
        return Patch(w.x[part], w.y[part], w.u[part], w.v[part], w.planes[:, row, column], w.pixel, part)


def relief(x: float, y: float) -> float:
    """How far the face stands out of the head's plane at (x, y)."""
    return RELIEF * max(0.0, 1.0 - (x / HEAD_WIDTH) ** 2 - (y / HEAD_HEIGHT) ** 2)


def _span(centre: float, reach: float, canvas: Canvas) -> slice:
    size = canvas.whole.x.shape[0]
    start = math.floor((centre - reach + 1.0) / 2.0 * size)
    stop = math.ceil((centre + reach + 1.0) / 2.0 * size)
    return slice(min(max(start, 0), size), min(max(stop, 0), size))


def blank(capture: Capture, size: int) -> Canvas:
    """An empty canvas of size x size pixels, seen under the capture's pose."""
    c = capture
    zoom = FRAMING * c.zoom
    steps = ((np.arange(size, dtype=np.float32) + 0.5) * (2.0 / size)) - 1
    across = (steps - c.shift_x)[None, :] / zoom
    down = (steps - c.shift_y)[:, None] / zoom
    cos, sin = math.cos(c.roll), math.sin(c.roll)
    u, v = cos * across + sin * down, cos * down - sin * across
    height = RELIEF * np.maximum(0, 1 - (u * (1 / HEAD_WIDTH)) ** 2 - (v * (1 / HEAD_HEIGHT)) ** 2)
    x = (u - height * math.sin(c.yaw)) / math.cos(c.yaw)
    y = (v - height * math.sin(c.pitch)) / math.cos(c.pitch)
    planes = np.empty((3, size, size), np.float32)
    return Canvas(Patch(x, y, u, v, planes, 2.0 / size / zoom, (slice(size), slice(size))), capture)


def blob(x: Plane, y: Plane, reach_x: float, reach_y: float) -> Plane:
    """A soft spot: 1 at the origin, falling smoothly to 0 on the ellipse of the given half-axes."""
    inside = 1 - _squared_radius(x, y, reach_x, reach_y)
    np.maximum(inside, 0, out=inside)
    return np.multiply(inside, inside, out=inside)


def ellipse(x: Plane, y: Plane, reach_x: float, reach_y: float) -> Plane:
    """Signed distance, near the edge, to the ellipse of the given half-axes."""
    radius = _squared_radius(x, y, reach_x, reach_y)
    np.sqrt(radius, out=radius)
    radius -= 1
    return np.multiply(radius, min(reach_x, reach_y), out=radius)


def _squared_radius(x: Plane, y: Plane, reach_x: float, reach_y: float) -> Plane:
    across, down = x * (1 / reach_x), y * (1 / reach_y)
    across *= across
    down *= down
    across += down
    return across


def clouds(rng: np.random.Generator, size: int, cells_across: int, cells_down: int) -> Plane:
    """Smooth noise in -1 to 1, float32 [size, size], with about `cells` bumps each way."""
    coarse = rng.random((cells_down, cells_across), dtype=np.float32) * 2 - 1
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def mix(first: Sequence[float], second: Sequence[float], share: float) -> tuple[float, float, float]:
    """The colour `share` of the way from the first to the second."""
    red, green, blue = (a + share * (b - a) for a, b in zip(first, second, strict=True))
    return red, green, blue


def ramp(colours: Sequence[Sequence[float]], position: float) -> tuple[float, float, float]:
    """The colour at `position` 0-1 along evenly spaced colours."""
    place = min(max(position, 0.0), 1.0) * (len(colours) - 1)
    index = min(int(place), len(colours) - 2)
    return mix(colours[index], colours[index + 1], place - index)
