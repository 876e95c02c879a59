"""Hair, behind the face and before it."""

from __future__ import annotations

import math

import numpy as np

from facerec_core.data.face_canvas import Canvas, Plane, blob, mix
from facerec_core.data.face_genes import Genes
from facerec_core.data.face_parts import Tones

CROWN = -0.10


def _length(canvas: Canvas, genes: Genes) -> float:
    """How far the hair falls in this image; tied hair does not reach below the ears."""
    return min(genes.hair_length, 0.35) if canvas.capture.hair_tied else genes.hair_length


def _volume(canvas: Canvas, genes: Genes) -> float:
    return max(0.01, genes.hair_volume + canvas.capture.hair_bounce * min(1.0, 5 * genes.hair_volume))


def hair_outline(canvas: Canvas, genes: Genes, texture: Plane) -> Plane:
    """Signed distance to the outside of the hair, roughened by its curl."""
    patch = canvas.whole
    volume = _volume(canvas, genes)
    x = patch.u + 0.10 * math.sin(canvas.capture.yaw)
    y = patch.v - CROWN
    width = genes.face_width + 0.02 + 0.8 * volume
    top, fall = genes.forehead + CROWN + 0.03 + volume, 0.25 + _length(canvas, genes)
    below = np.maximum(y, 0) * (1 / fall)
    squared = below * below
    radius = np.sqrt((x * (1 / width)) ** 2 + (np.minimum(y, 0) * (1 / top)) ** 2 + squared * squared)
    roughness = 0.07 * genes.hair_curl * min(1.0, 8 * volume)
    distance: Plane = (radius - 1) * 0.6 + texture * roughness
    return distance


def paint_hair_behind(canvas: Canvas, tone: Tones, outline: Plane) -> Plane:
    """The hair behind face and neck; returns where it is."""
    patch = canvas.whole
    hair = patch.coverage(outline)
    patch.paint(hair, mix(tone.hair, (0, 0, 0), 0.35))
    return hair


def paint_hair_before(canvas: Canvas, genes: Genes, tone: Tones, outline: Plane, texture: Plane) -> None:
    """The hair above the hairline and beside the face."""
    patch, capture = canvas.whole, canvas.capture
    line = genes.hairline + capture.fringe * min(1.0, 4 * genes.hair_volume)
    side = patch.x - genes.hair_part * genes.face_width
    window = np.maximum(0.05, -line - 0.16 * np.abs(side) * (1 + 2 * abs(genes.hair_part)))
    y = patch.y - 0.05
    rise = np.minimum(y, 0) / (window + 0.05)
    x = patch.x / (genes.face_width * (0.99 - 0.06 * min(1.0, _length(canvas, genes))))
    opening = np.sqrt(x * x * x * x + rise * rise) - 1
    rough = opening * 0.35 + texture * (0.014 + 0.02 * genes.hair_curl)
    reach = patch.coverage(y - max(0.10, _length(canvas, genes) - 0.25), 0.12)
    hair = patch.coverage(outline) * patch.coverage(-rough, 0.03) * reach
    patch.paint(hair, tone.hair)
    patch.shade(hair * texture, 0.16)
    shine = blob(patch.u - 0.25 * capture.light_x, patch.v + genes.forehead - 0.06, 0.5, 0.14)
    patch.paint(hair * shine * 0.22, (1.0, 0.97, 0.92))
    shadow = patch.coverage(-rough - 0.03, 0.09) * patch.coverage(outline) * (1 - hair)
    patch.shade(shadow * reach, -0.22)
