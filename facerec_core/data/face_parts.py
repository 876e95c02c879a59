"""The parts of a face: skin, eyes, brows, nose and mouth, each painted where its genes put it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from facerec_core.data.face_canvas import Canvas, Patch, Plane, blob, ellipse, mix, ramp
from facerec_core.data.face_genes import Capture, Colour, Genes

SKIN = (
    (0.985, 0.870, 0.790),
    (0.940, 0.780, 0.670),
    (0.850, 0.655, 0.520),
    (0.720, 0.510, 0.375),
    (0.555, 0.370, 0.265),
    (0.410, 0.265, 0.195),
    (0.285, 0.185, 0.145),
)
IRIS = ((0.16, 0.10, 0.07), (0.34, 0.20, 0.10), (0.42, 0.36, 0.16), (0.30, 0.44, 0.34), (0.30, 0.48, 0.66))
HAIR = (
    (0.07, 0.06, 0.06),
    (0.20, 0.13, 0.09),
    (0.38, 0.23, 0.13),
    (0.50, 0.28, 0.15),
    (0.72, 0.55, 0.30),
    (0.90, 0.79, 0.55),
)
GREY = (0.72, 0.71, 0.70)
ROSE = (0.72, 0.20, 0.24)
FRECKLES = np.random.Generator(np.random.PCG64(7)).random((6, 15, 3), dtype=np.float32)


@dataclass(frozen=True)
class Tones:
    """The colours of one person, and `ink`, how strongly lines darken the skin without vanishing in it."""

    skin: Colour
    hair: Colour
    lips: Colour
    iris: Colour
    crease: Colour
    ink: float


def tones(genes: Genes) -> Tones:
    """The colours that follow from the genes."""
    skin = ramp(SKIN, genes.melanin)
    tint = 0.035 * genes.undertone
    skin = (skin[0] * (1 + tint), skin[1], skin[2] * (1 - 1.6 * tint))
    hair = mix(ramp(HAIR, genes.hair_shade), GREY, max(0.0, genes.hair_grey))
    lips = mix((0.86 * skin[0], 0.72 * skin[1], 0.74 * skin[2]), mix(ROSE, skin, 0.25), genes.lip_redness)
    crease = mix(skin, (0.10, 0.03, 0.02), 0.62)
    return Tones(skin, hair, lips, ramp(IRIS, genes.iris_shade), crease, 1.0 + 0.5 * genes.melanin)


def head_shape(patch: Patch, genes: Genes, yaw: float) -> Plane:
    """Distance from the middle of the face as a share of its outline: 1 on the outline, 0 in the middle."""
    x = 0.75 * patch.u + 0.25 * patch.x + (0.04 * math.sin(yaw))
    y = patch.v
    below = np.maximum(y, 0) * (1 / genes.chin)
    above = np.minimum(y, 0) * (1 / genes.forehead)
    fall = below * below
    squared = fall * (1 + genes.jaw_square * (fall - 1))
    cheek = 1 + genes.cheeks * blob(y - 0.25, y, 0.6, 9.0)
    width = genes.face_width * np.maximum(0.2, cheek - genes.jaw_taper * fall)
    return np.sqrt((x / width) ** 2 + squared + above * above)


def paint_neck(canvas: Canvas, genes: Genes, tone: Tones) -> Plane:
    """Neck and shoulders; returns where the neck is."""
    patch = canvas.whole
    width = 0.30 + 0.35 * (genes.face_width - 0.5)
    neck = patch.coverage(np.maximum(np.abs(patch.u) - width, 0.3 - patch.v))
    patch.paint(neck, tone.skin)
    under_chin = blob(patch.u, patch.v - (genes.chin + 0.05), 0.6, 0.38)
    patch.shade(under_chin * neck, -0.45)
    collar = 0.98 - 0.27 * np.abs(patch.u)
    patch.paint(patch.coverage(collar - patch.v), canvas.capture.clothes)
    return neck


def paint_ears(canvas: Canvas, genes: Genes, tone: Tones) -> Plane:
    """Both ears, the far one hidden as the head turns; returns where they are."""
    turn = 0.10 * math.sin(canvas.capture.yaw)
    shown = np.zeros_like(canvas.whole.u)
    for side in (-1.0, 1.0):
        centre = side * (genes.face_width + 0.015) + turn
        part = canvas.around(centre, genes.ear_height, genes.ear_size + 0.20, genes.ear_size + 0.18)
        x, y = (part.u - centre) * side, part.v - genes.ear_height
        x -= 0.15 * y
        ear = part.coverage(ellipse(x, y, 0.42 * genes.ear_size, genes.ear_size))
        part.paint(ear, mix(tone.skin, ROSE, 0.10))
        inner = part.coverage(ellipse(x, y, 0.22 * genes.ear_size, 0.65 * genes.ear_size), 0.03)
        part.shade(inner * ear, -0.30)
        shown[part.place] += ear
    return shown


def paint_skin(canvas: Canvas, genes: Genes, tone: Tones) -> Plane:
    """The bare face with its relief, freckles, mole and wrinkles; returns where it is."""
    patch = canvas.whole
    shape = head_shape(patch, genes, canvas.capture.yaw)
    face = patch.coverage((shape - 1) * (0.5 * genes.face_width + 0.2))
    patch.paint(face, tone.skin)
    _shade_relief(canvas, genes, tone)
    _paint_marks(canvas, genes, tone)
    return face


def _shade_relief(canvas: Canvas, genes: Genes, tone: Tones) -> None:
    middle = canvas.around(0, 0.1, 0.62, 0.36)
    apart = np.abs(middle.x)
    middle.shade(blob(apart - 0.33, middle.y - 0.20, 0.24, 0.20), (0.06, -0.06, -0.05))
    socket_x, socket_y = apart - genes.eye_distance, middle.y - genes.eye_height
    middle.shade(blob(socket_x, socket_y, 0.20, 0.15), -0.16 * tone.ink)
    low = canvas.around(0, 0.6, 0.24, 0.24)
    low.shade(blob(low.x, low.y - (genes.chin - 0.15), 0.20, 0.12), 0.07)
    under_lip = genes.mouth_height + genes.lip_lower + 0.055
    low.shade(blob(low.x, low.y - under_lip, 0.17, 0.045), -0.18 * tone.ink)
    if genes.wrinkles > 0:
        _shade_wrinkles(canvas, genes, tone)


def _shade_wrinkles(canvas: Canvas, genes: Genes, tone: Tones) -> None:
    part = canvas.around(0, 0.30, 0.36, 0.20)
    slope = (0.5 * genes.nose_width + 0.07) + 0.20 * (part.y - 0.20)
    fold = blob(np.abs(part.x) - slope, part.y - 0.29, 0.022, 0.15)
    part.shade(fold, -0.24 * genes.wrinkles * tone.ink)
    brow = canvas.around(0, -0.40, 0.36, 0.12)
    bend = brow.y - 0.05 * brow.x * brow.x
    for height in (-0.46, -0.40, -0.34):
        brow.shade(blob(bend - height, brow.x, 0.018, 0.34), -0.20 * genes.wrinkles * tone.ink)


def _paint_marks(canvas: Canvas, genes: Genes, tone: Tones) -> None:
    if genes.freckles > 0:
        _paint_freckles(canvas, genes.freckles)
    if genes.mole_size > 0:
        spot = canvas.around(genes.mole_x, genes.mole_y, 0.05, 0.05)
        reach = 0.012 + genes.mole_size
        x, y = spot.x - genes.mole_x, spot.y - genes.mole_y
        spot.paint(spot.coverage(ellipse(x, y, reach, reach)) * 0.75, mix(tone.skin, (0.12, 0.06, 0.05), 0.75))


def _paint_freckles(canvas: Canvas, strength: float) -> None:
    """One spot in each cell of a grid over nose and cheeks, moved about and sized by a fixed table."""
    part = canvas.around(0, 0.15, 0.46, 0.16)
    across, down = (part.x + 0.45) * (1 / 0.06), part.y * (1 / 0.05)
    column = np.clip(across.astype(np.intp), 0, FRECKLES.shape[1] - 1)
    row = np.clip(down.astype(np.intp), 0, FRECKLES.shape[0] - 1)
    move_x, move_y, size = FRECKLES[row, column].transpose(2, 0, 1)
    x, y = (
        across - column - 0.3 - 0.4 * move_x,
        down - row - 0.3 - 0.4 * move_y,
    )
    spots = blob(x, y, 0.32, 0.34) * size * blob(part.x, part.y - 0.15, 0.50, 0.24)
    part.shade(spots, tuple(strength * f for f in (-0.45, -0.65, -0.75)))


def paint_beard(canvas: Canvas, genes: Genes, tone: Tones) -> None:
    """Beard, as dense as it was left to grow, and moustache."""
    if genes.beard > 0:
        patch = canvas.around(0, 0.55, 0.68, 0.46)
        strength = min(1.0, max(0.0, genes.beard + canvas.capture.stubble))
        mouth = ellipse(patch.x, patch.y - genes.mouth_height, genes.mouth_width * 1.05, 0.085)
        line = 0.46 - 0.9 * np.maximum(0, np.abs(patch.x) - 0.10)
        outside = head_shape(patch, genes, canvas.capture.yaw) - 1
        hairy = patch.coverage(line - patch.y, 0.16) * patch.coverage(-mouth, 0.07) * patch.coverage(outside, 0.10)
        patch.paint(hairy * (0.8 * strength), mix(tone.hair, tone.skin, 0.12))
    if genes.moustache > 0:
        lip = genes.mouth_height - genes.lip_upper - 0.028
        part = canvas.around(0, lip, 0.28, 0.08)
        drop = part.y - lip - 0.9 * part.x * part.x
        over_lip = part.coverage(ellipse(part.x, drop, genes.mouth_width * 0.95, 0.036), 0.03)
        part.paint(over_lip * min(1.0, 1.3 * genes.moustache), tone.hair)


def paint_eyes(canvas: Canvas, genes: Genes, tone: Tones) -> None:
    """Both eyes with lids, and the brows above them."""
    for side in (-1.0, 1.0):
        _paint_eye(canvas, genes, tone, side)
        _paint_brow(canvas, genes, tone, side)


def _paint_eye(canvas: Canvas, genes: Genes, tone: Tones, side: float) -> None:
    capture = canvas.capture
    centre = side * genes.eye_distance
    part = canvas.around(centre, genes.eye_height, 0.18, 0.13)
    outward = side * (part.x - centre)
    down = part.y - genes.eye_height + genes.eye_slant * outward
    bow = 1 - (outward * (1 / genes.eye_width)) ** 2
    opening = genes.eye_opening * (1 - capture.eye_closing)
    upper, lower = (-opening) * bow, (0.2 * genes.eye_opening + 0.4 * opening) * bow
    white = part.coverage(np.maximum(upper - down, down - lower))
    part.paint(white, (0.94, 0.92, 0.90))
    _paint_iris(part, genes, tone, white, centre + 0.05 * capture.gaze)
    within = part.coverage(np.abs(outward) - (1.06 * genes.eye_width), 0.03)
    lashes = part.coverage(np.abs(down - upper) - 0.011) * within
    part.paint(lashes, (0.08, 0.05, 0.05))
    part.shade(part.coverage(np.abs(down - lower) - 0.005, 0.02) * within, -0.35)
    fold = np.abs(down - upper + (0.012 + 0.022 * genes.eyelid_fold) * (1 + bow))
    part.paint(part.coverage(fold - 0.006, 0.02) * within * (0.75 * genes.eyelid_fold), tone.crease)
    bag = blob(outward, down - lower - 0.045, genes.eye_width, 0.035)
    part.shade(bag, -0.38 * genes.eye_bags * tone.ink)


def _paint_iris(part: Patch, genes: Genes, tone: Tones, white: Plane, centre: float) -> None:
    x, y = part.x - centre, part.y - (genes.eye_height + 0.002)
    size = genes.iris_size
    part.paint(part.coverage(ellipse(x, y, size, size)) * white, mix(tone.iris, (0, 0, 0), 0.45))
    part.paint(part.coverage(ellipse(x, y, 0.80 * size, 0.80 * size)) * white, tone.iris)
    part.paint(part.coverage(ellipse(x, y, 0.42 * size, 0.42 * size)) * white, (0.03, 0.02, 0.02))
    part.paint(part.coverage(ellipse(x + 0.014, y + 0.016, 0.011, 0.011)) * white, (1, 1, 1))


def _paint_brow(canvas: Canvas, genes: Genes, tone: Tones, side: float) -> None:
    centre, height = side * (genes.eye_distance + 0.01), genes.eye_height - genes.brow_height
    height -= canvas.capture.brow_raise
    part = canvas.around(centre, height, 0.20, 0.12)
    outward = side * (part.x - centre)
    along = outward * (1 / genes.brow_length)
    arch = genes.brow_arch * (np.maximum(0, 1 - along * along) - 0.5)
    off = np.abs(part.y - height + genes.brow_slant * outward + arch)
    thickness = genes.brow_thickness * (0.85 - 0.35 * along)
    brow = part.coverage(np.maximum(off - thickness, np.abs(outward) - genes.brow_length), 0.022)
    part.paint(brow * 0.92, mix(mix(tone.hair, (0.08, 0.06, 0.05), 0.45), tone.skin, 0.08))


def paint_nose(canvas: Canvas, genes: Genes, tone: Tones) -> None:
    """Bridge, tip, wings and nostrils; the tip stands out and moves further than the face when it turns."""
    capture = canvas.capture
    top, bottom = genes.eye_height + 0.03, genes.eye_height + genes.nose_length
    out_x, out_y = 0.16 * math.sin(capture.yaw), 0.16 * math.sin(capture.pitch)
    part = canvas.around(0.5 * out_x, (top + bottom) / 2, 0.26, 0.5 * genes.nose_length + 0.12)
    rise = np.minimum(np.maximum((part.y - top) / (bottom - top), 0), 1)
    x, y = part.x - out_x * rise, part.y - out_y * rise - bottom
    _shade_bridge(part, genes, tone, (x, y, rise), capture.light_x)
    part.shade(blob(x, y + 0.02, genes.nose_tip, genes.nose_tip), 0.16)
    part.shade(blob(x, y - 0.04, genes.nose_width, 0.05), -0.20 * tone.ink)
    for side in (-1.0, 1.0):
        _paint_nostril(part, genes, tone, side * x, y)


def _shade_bridge(part: Patch, genes: Genes, tone: Tones, place: tuple[Plane, Plane, Plane], light_x: float) -> None:
    """Lighter along the ridge, darker beside it, most on the side away from the light."""
    x, y, rise = place
    along, half = (
        y + 0.5 * genes.nose_length,
        genes.nose_bridge + 0.5 * (genes.nose_width - genes.nose_bridge) * rise * rise,
    )
    for side in (-1.0, 1.0):
        away = min(1.0, max(0.0, 0.6 - 0.55 * side * light_x))
        part.shade(blob(side * x - half, along, 0.045, 0.62 * genes.nose_length), -0.32 * away * tone.ink)
    part.shade(blob(x, along, 0.7 * genes.nose_bridge, 0.6 * genes.nose_length), 0.16)


def _paint_nostril(part: Patch, genes: Genes, tone: Tones, outward: Plane, y: Plane) -> None:
    wing, reach = outward - 0.62 * genes.nose_width, 0.36 * genes.nose_width
    rim = part.coverage(np.abs(ellipse(wing, y, reach, 0.048)) - 0.004, 0.02)
    outer = np.minimum(np.maximum(wing * (1.5 / reach), 0), 1)
    part.paint(rim * outer * 0.7, tone.crease)
    nostril = ellipse(wing + 0.16 * genes.nose_width, y - 0.026, 0.24 * genes.nose_width, 0.016)
    part.paint(part.coverage(nostril, 0.02) * 0.75, mix(tone.crease, (0.05, 0.02, 0.02), 0.4))


def paint_mouth(canvas: Canvas, genes: Genes, tone: Tones) -> None:
    """Lips, and teeth when the mouth is open."""
    capture = canvas.capture
    part = canvas.around(0, genes.mouth_height + 0.05, 0.34, 0.20)
    half = genes.mouth_width * (1 + 1.6 * max(0.0, capture.smile))
    along = part.x * (1 / half)
    bow = np.maximum(0, 1 - along * along)
    curve = (genes.mouth_curve + capture.smile) * (along * along - 0.35)
    y = part.y - genes.mouth_height + curve
    gap = (0.55 * capture.mouth_open) * bow
    cupid = 1 - 0.35 * blob(along, along, 0.30, 9.0)
    upper, lower = y + gap * 0.5, y - gap
    lip_top = part.coverage(np.maximum(-upper - genes.lip_upper * cupid * bow, upper))
    lip_bottom = part.coverage(np.maximum(lower - genes.lip_lower * bow, -lower))
    _paint_inside(part, part.coverage(np.maximum(-upper, lower)) * (bow > 0), y, capture)
    part.paint(lip_top * (bow > 0), mix(tone.lips, (0.05, 0.0, 0.0), 0.22))
    part.paint(lip_bottom * (bow > 0), tone.lips)
    part.shade(blob(along, lower - (0.45 * genes.lip_lower), 0.6, 0.5 * genes.lip_lower + 0.008), 0.14)
    line = np.minimum(np.abs(upper), np.abs(lower)) + 0.1 * np.maximum(0, np.abs(along) - 1)
    seam = part.coverage(line - 0.007) * (np.abs(along) < 1.06)
    part.paint(seam * 0.8, mix(tone.lips, (0.06, 0.01, 0.01), 0.75))


def _paint_inside(part: Patch, inside: Plane, y: Plane, capture: Capture) -> None:
    part.paint(inside, (0.20, 0.05, 0.06))
    teeth = part.coverage(y - (0.12 * capture.mouth_open - 0.004))
    part.paint(inside * teeth, (0.93, 0.91, 0.86))
