"""Procedurally rendered faces: `render(genes, capture, size)` draws one person under one set of circumstances.

Drawn, not photographed: the features of a face as smooth shapes on a slightly domed head (2.5-D), lit, and put
through a plain camera. The same arguments give the same pixels in any process; elsewhere they are the same as
far as Pillow's resizing and JPEG codec are.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facerec_core.data.face_canvas import Canvas, Plane, blank, blob, clouds
from facerec_core.data.face_genes import Capture, Genes, draw_capture, draw_genes
from facerec_core.data.face_hair import hair_outline, paint_hair_before, paint_hair_behind
from facerec_core.data.face_parts import (
    paint_beard,
    paint_ears,
    paint_eyes,
    paint_mouth,
    paint_neck,
    paint_nose,
    paint_skin,
    tones,
)
from facerec_core.data.face_worn import paint_glasses, paint_worn

__all__ = ["Capture", "Genes", "draw_capture", "draw_genes", "render"]

LOSSLESS = 90
METERED = (0.84, 1.30)
"""The camera exposes for the face: its gain for the palest and for the darkest skin."""


def render(genes: Genes, capture: Capture, size: int) -> NDArray[np.uint8]:
    """Draw a face.

    Args:
        genes: who it is.
        capture: the circumstances.
        size: side of the image in pixels.

    Returns:
        uint8 RGB [size, size, 3].
    """
    rng = np.random.Generator(np.random.PCG64(capture.texture_seed))
    canvas = blank(capture, size)
    _paint_background(canvas, rng)
    head = _paint_head(canvas, genes, rng)
    _light(canvas, head, genes)
    return _photograph(canvas, rng)


def _paint_background(canvas: Canvas, rng: np.random.Generator) -> None:
    size = canvas.whole.x.shape[0]
    share = np.clip(0.5 + 0.7 * clouds(rng, size, 3, 3), 0, 1)
    first, second = canvas.capture.background, canvas.capture.backdrop
    for plane, a, b in zip(canvas.whole.planes, first, second, strict=True):
        plane[...] = a + share * (b - a)


def _paint_head(canvas: Canvas, genes: Genes, rng: np.random.Generator) -> Plane:
    """Paint from back to front; returns what belongs to the head and takes its light."""
    size = canvas.whole.x.shape[0]
    strands, curls = clouds(rng, size, 44, 5), clouds(rng, size, 13, 13)
    tone = tones(genes)
    outline = hair_outline(canvas, genes, curls)
    head = paint_hair_behind(canvas, tone, outline)
    for paint in (paint_neck, paint_ears, paint_skin):
        head = np.maximum(head, paint(canvas, genes, tone))
    paint_beard(canvas, genes, tone)
    paint_eyes(canvas, genes, tone)
    paint_nose(canvas, genes, tone)
    paint_mouth(canvas, genes, tone)
    paint_glasses(canvas, genes)
    paint_hair_before(canvas, genes, tone, outline, strands + curls * genes.hair_curl)
    paint_worn(canvas, genes, tone, strands)
    return head


def _light(canvas: Canvas, head: Plane, genes: Genes) -> None:
    """Lambert's cosine on an ellipsoid, and a soft highlight that also shows the relief of dark skin."""
    patch, capture, planes = canvas.whole, canvas.capture, canvas.whole.planes
    normal_x, normal_y = patch.u * (1 / 0.80), patch.v * (1 / 1.10)
    normal_z = np.sqrt(np.maximum(0.04, 1 - normal_x**2 - normal_y**2))
    length = (1 + capture.light_x**2 + capture.light_y**2) ** 0.5
    cosine = capture.light_x * normal_x + capture.light_y * normal_y + normal_z
    lit = np.maximum(0, cosine) * (1 / length)
    hard = 0.85 * capture.light_hardness
    planes *= 1 + head * (hard * (1.15 * lit - 1))
    planes *= METERED[0] + genes.melanin * (METERED[1] - METERED[0])
    x, y = patch.x - (0.22 * capture.light_x), patch.y - (0.25 * capture.light_y)
    shine = blob(x, y + 0.38, 0.42, 0.24) + 0.8 * blob(np.abs(x) - 0.34, y - 0.14, 0.17, 0.13)
    strength = (0.05 + 0.09 * genes.melanin) * (0.4 + capture.light_hardness)
    planes += head * shine * strength


def _photograph(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Exposure, colour temperature, contrast, blur, sensor noise and JPEG."""
    capture, planes = canvas.capture, canvas.whole.planes
    size = planes.shape[1]
    for plane, tint in zip(planes, (1 + capture.warmth, 1.0, 1 - capture.warmth), strict=True):
        plane *= capture.exposure * capture.contrast * tint
    planes += 0.45 * (1 - capture.contrast)
    picture = Image.fromarray(_to_bytes(planes))
    if capture.sharpness < 1:
        side = max(1, round(size * capture.sharpness))
        picture = picture.resize((side, side), Image.Resampling.BOX).resize((size, size), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture)
    if capture.noise > 0:
        grain = rng.random((size, size, 1), dtype=np.float32) - 0.5
        grain *= 2 * 255 * capture.noise
        pixels = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    return _compress(pixels, capture.jpeg_quality) if capture.jpeg_quality < LOSSLESS else np.array(pixels)


def _to_bytes(planes: Plane) -> NDArray[np.uint8]:
    scaled = np.clip(planes * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(scaled.transpose(1, 2, 0))


def _compress(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as picture:
        return np.array(picture)
