"""What a rendered face is made from: an identity (Genes) and the circumstances of one image (Capture).

Lengths are in half image sides: the upright face looks out of a square of 2 x 2 units with its origin in the
middle, x to the right and y downwards. Angles are in radians, colours and strengths in 0-1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np

Colour = tuple[float, float, float]
Cover = Literal["scarf", "hand", "strand"]
COVERS: tuple[Cover, ...] = ("scarf", "hand", "strand")
HAT_SHARE, GLASSES_SHARE, COVER_SHARE = 0.05, 0.10, 0.05


def _gene(low: float, high: float) -> float:
    """A field with its range over people; several features are absent below 0."""
    return field(metadata={"low": low, "high": high})  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Genes:
    """One person: what stays the same from image to image."""

    face_width: float = _gene(0.50, 0.66)
    forehead: float = _gene(0.76, 0.90)
    chin: float = _gene(0.70, 0.90)
    jaw_taper: float = _gene(0.10, 0.50)
    jaw_square: float = _gene(0.0, 0.8)
    cheeks: float = _gene(-0.04, 0.10)
    eye_distance: float = _gene(0.205, 0.285)
    eye_height: float = _gene(-0.15, -0.03)
    eye_width: float = _gene(0.098, 0.150)
    eye_opening: float = _gene(0.042, 0.080)
    eye_slant: float = _gene(-0.20, 0.28)
    eyelid_fold: float = _gene(0.0, 1.0)
    eye_bags: float = _gene(0.0, 1.0)
    iris_size: float = _gene(0.044, 0.060)
    iris_shade: float = _gene(0.0, 1.0)
    brow_height: float = _gene(0.125, 0.195)
    brow_thickness: float = _gene(0.010, 0.036)
    brow_length: float = _gene(0.115, 0.170)
    brow_slant: float = _gene(-0.20, 0.25)
    brow_arch: float = _gene(0.0, 0.055)
    nose_length: float = _gene(0.22, 0.37)
    nose_width: float = _gene(0.070, 0.145)
    nose_bridge: float = _gene(0.025, 0.065)
    nose_tip: float = _gene(0.035, 0.075)
    mouth_height: float = _gene(0.36, 0.50)
    mouth_width: float = _gene(0.145, 0.260)
    mouth_curve: float = _gene(-0.015, 0.06)
    lip_upper: float = _gene(0.016, 0.060)
    lip_lower: float = _gene(0.026, 0.075)
    lip_redness: float = _gene(0.05, 0.85)
    ear_size: float = _gene(0.10, 0.19)
    ear_height: float = _gene(-0.06, 0.10)
    melanin: float = _gene(0.0, 1.0)
    undertone: float = _gene(-1.0, 1.0)
    freckles: float = _gene(-2.5, 1.0)
    mole_x: float = _gene(-0.36, 0.36)
    mole_y: float = _gene(0.02, 0.52)
    mole_size: float = _gene(-0.036, 0.020)
    wrinkles: float = _gene(-0.8, 1.0)
    beard: float = _gene(-1.5, 0.9)
    moustache: float = _gene(-1.2, 0.9)
    hair_shade: float = _gene(0.0, 1.0)
    hair_grey: float = _gene(-1.8, 0.9)
    hair_volume: float = _gene(0.02, 0.20)
    hair_length: float = _gene(0.15, 1.40)
    hair_curl: float = _gene(0.0, 1.0)
    hair_part: float = _gene(-0.5, 0.5)
    hairline: float = _gene(-0.72, -0.38)


@dataclass(frozen=True)
class Capture:
    """One image of a person: pose, expression, light, surroundings, what is worn, and the camera.

    `yaw` > 0 looks to the image's right, `pitch` > 0 down, `roll` > 0 leans clockwise. `light_x`, `light_y`
    point to the light (negative y is above), `light_hardness` 0 is an even sky and 1 a bare lamp. `warmth` is
    the colour temperature of the light, `sharpness` the share of the image's pixels a side that the
    camera resolved and `noise` an amplitude in 0-1. `hat`,
    `glasses` and `cover` are None when there is none.
    """

    yaw: float
    pitch: float
    roll: float
    shift_x: float
    shift_y: float
    zoom: float
    smile: float
    mouth_open: float
    brow_raise: float
    eye_closing: float
    gaze: float
    light_x: float
    light_y: float
    light_hardness: float
    warmth: float
    exposure: float
    contrast: float
    background: Colour
    backdrop: Colour
    clothes: Colour
    hair_bounce: float
    hair_tied: bool
    fringe: float
    stubble: float
    hat: Colour | None
    glasses: Colour | None
    glasses_width: float
    cover: Cover | None
    cover_x: float
    cover_y: float
    cover_colour: Colour
    sharpness: float
    noise: float
    jpeg_quality: int
    texture_seed: int


def gene_ranges() -> dict[str, tuple[float, float]]:
    """The lowest and highest value of every field of Genes."""
    return {f.name: (f.metadata["low"], f.metadata["high"]) for f in fields(Genes)}


def draw_genes(rng: np.random.Generator) -> Genes:
    """A person drawn at random; darker skin comes with darker hair and eyes, as it mostly does."""
    drawn = {name: float(rng.uniform(low, high)) for name, (low, high) in gene_ranges().items()}
    lightness = 1.0 - 0.75 * drawn["melanin"]
    drawn["hair_shade"] *= lightness
    drawn["iris_shade"] *= lightness
    return Genes(**drawn)


def _colour(rng: np.random.Generator) -> Colour:
    red, green, blue = rng.random(3)
    grey = (red + green + blue) / 3
    mute = rng.uniform(0.2, 0.8)
    return tuple(float(grey + mute * (c - grey)) for c in (red, green, blue))  # type: ignore[return-value]


def draw_capture(rng: np.random.Generator, difficulty: float) -> Capture:
    """The circumstances of one image.

    Args:
        rng: source of randomness.
        difficulty: 0 is frontal in even light with nothing in the way, 1 the default, 2 harsh.
    """

    def swing(reach: float) -> float:
        return float(difficulty * reach * (rng.random() + rng.random() - 1.0))

    def wears(share: float) -> bool:
        return bool(rng.random() < share * difficulty)

    def some(reach: float) -> float:
        return float(difficulty * reach * rng.random() ** 2)

    return Capture(
        yaw=swing(0.24),
        pitch=swing(0.14),
        roll=swing(0.11),
        shift_x=swing(0.06),
        shift_y=swing(0.06),
        zoom=1.0 + swing(0.06),
        smile=swing(0.04),
        mouth_open=some(0.07),
        brow_raise=swing(0.03),
        eye_closing=min(0.9, some(0.30)),
        gaze=swing(0.35),
        light_x=swing(0.80),
        light_y=-0.35 + swing(0.45),
        light_hardness=min(1.0, 0.25 + swing(0.15) + some(0.4)),
        warmth=swing(0.10),
        exposure=1.0 + swing(0.20),
        contrast=1.0 + swing(0.18),
        background=_colour(rng),
        backdrop=_colour(rng),
        clothes=_colour(rng),
        hair_bounce=swing(0.055),
        hair_tied=wears(0.12),
        fringe=swing(0.08),
        stubble=swing(0.25),
        hat=_colour(rng) if wears(HAT_SHARE) else None,
        glasses=_colour(rng) if wears(GLASSES_SHARE) else None,
        glasses_width=float(rng.uniform(0.8, 1.25)),
        cover=COVERS[rng.integers(len(COVERS))] if wears(COVER_SHARE) else None,
        cover_x=float(rng.uniform(-1.0, 1.0)),
        cover_y=float(rng.uniform(0.0, 1.0)),
        cover_colour=_colour(rng),
        sharpness=1.0 - min(0.8, some(0.25)),
        noise=some(0.036),
        jpeg_quality=int(max(20.0, 95.0 - some(35.0))),
        texture_seed=int(rng.integers(2**31)),
    )
