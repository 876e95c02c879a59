"""What is worn or held before the face: glasses, a scarf, a hand, a strand of hair, a hat."""

from __future__ import annotations

import numpy as np

from facerec_core.data.face_canvas import Canvas, Plane, blob, ellipse, mix
from facerec_core.data.face_genes import Colour, Genes
from facerec_core.data.face_hair import CROWN
from facerec_core.data.face_parts import Tones


def paint_worn(canvas: Canvas, genes: Genes, tone: Tones, texture: Plane) -> None:
    """What covers the face and a hat, as far as the capture has them."""
    capture = canvas.capture
    if capture.cover == "scarf":
        _paint_scarf(canvas, genes, texture)
    elif capture.cover == "hand":
        _paint_hand(canvas, tone)
    elif capture.cover == "strand":
        _paint_strand(canvas, genes, tone, texture)
    if capture.hat is not None:
        _paint_hat(canvas, genes, capture.hat)


def paint_glasses(canvas: Canvas, genes: Genes) -> None:
    """Glasses, if the capture has them."""
    capture = canvas.capture
    if capture.glasses is None:
        return
    part = canvas.around(0, genes.eye_height + 0.02, 0.62, 0.22)
    apart, y = np.abs(part.x), part.y - (genes.eye_height + 0.015)
    reach = 0.165 * capture.glasses_width
    lens_x, lens_y = (apart - (genes.eye_distance + 0.01)) / reach, y / (0.72 * reach)
    lens_x, lens_y = lens_x * lens_x, lens_y * lens_y
    radius = np.sqrt(np.sqrt(lens_x * lens_x + lens_y * lens_y))
    rim = part.coverage(np.abs(radius - 1) * reach - 0.013)
    bridge = part.coverage(np.maximum(apart - max(0.02, genes.eye_distance + 0.01 - reach), np.abs(y + 0.03) - 0.011))
    temple = np.maximum((genes.eye_distance + reach) - apart, np.abs(y + 0.04) - 0.012)
    inside = np.maximum(temple, apart - genes.face_width)
    part.paint(part.coverage(radius - 1) * 0.10, (0.85, 0.92, 1.0))
    frame = np.maximum(np.maximum(rim, bridge), part.coverage(inside))
    part.paint(frame, mix(capture.glasses, (0.05, 0.05, 0.05), 0.6))


def _paint_scarf(canvas: Canvas, genes: Genes, texture: Plane) -> None:
    patch, capture = canvas.whole, canvas.capture
    edge = (0.20 + 0.22 * capture.cover_y) + 0.06 * texture - 0.12 * patch.x * patch.x
    scarf = patch.coverage(np.maximum(edge - patch.y, np.abs(patch.u) - (genes.face_width + 0.1)))
    patch.paint(scarf, capture.cover_colour)
    patch.shade(scarf * texture, 0.25)


def _paint_hand(canvas: Canvas, tone: Tones) -> None:
    patch, capture = canvas.whole, canvas.capture
    side = 1.0 if capture.cover_x > 0 else -1.0
    x = side * patch.u - 0.50
    y = patch.v - (0.15 + 0.5 * capture.cover_y) + 0.35 * x
    for finger in range(4):
        offset = 0.115 * (finger - 1.5)
        tip = 0.05 * (1.5 - abs(finger - 1.5))
        blunt = np.maximum(0, -x - (0.15 + tip))
        distance = np.sqrt((y - offset) ** 2 + blunt * blunt) - 0.058
        patch.shade(patch.coverage(distance - 0.02, 0.06), -0.35)
        patch.paint(patch.coverage(distance), tone.skin)


def _paint_strand(canvas: Canvas, genes: Genes, tone: Tones, texture: Plane) -> None:
    patch, capture = canvas.whole, canvas.capture
    middle = (0.42 * capture.cover_x) * (1 + patch.y * patch.y) + 0.05 * texture
    width = 0.10 * np.maximum(0.1, 0.75 - patch.y)
    ends = np.maximum(patch.y - (0.1 + 0.4 * capture.cover_y), (-0.1 - genes.forehead) - patch.v)
    strand = patch.coverage(np.maximum(np.abs(patch.x - middle) - width, ends), 0.02)
    patch.paint(strand * 0.95, tone.hair)
    patch.shade(strand * texture, 0.2)


def _paint_hat(canvas: Canvas, genes: Genes, colour: Colour) -> None:
    patch = canvas.whole
    brim = (-0.36) - 0.16 * (1 - (patch.x * (1 / genes.face_width)) ** 2)
    dome = ellipse(patch.u, patch.v - CROWN, genes.face_width + 0.14, genes.forehead + CROWN + 0.20)
    patch.shade(patch.coverage(patch.y - brim - 0.12, 0.16) * patch.coverage(dome), -0.3)
    hat = patch.coverage(np.maximum(patch.y - brim, dome))
    patch.paint(hat, colour)
    patch.shade(hat * patch.coverage(np.abs(patch.y - brim + 0.09) - 0.05), -0.35)
    patch.shade(hat * blob(patch.u, patch.v + 0.8, 0.5, 0.4), 0.25)
