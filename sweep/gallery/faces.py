"""From image files to fingerprints, prepared as the images a network was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.alignment import Points
from facerec_core.data.images import UndecodableError, decode_aligned, decode_face, resize_face
from facerec_core.data.landmarks import read_landmarks
from facerec_core.data.naming import normal
from facerec_core.data.tree import visible_fault
from facerec_core.errors import BrokenImageError, DataError, UsageError
from facerec_core.gallery.names import printable
from facerec_core.gallery.records import Preparation
from sweep.gallery import Request
from sweep.gallery.models import Network

NOT_ALIGNED = "the network was trained on faces aligned by five landmarks; images that are not aligned score badly"


def fingerprints(request: Request, network: Network, preparation: Preparation) -> NDArray[np.int8]:
    """The fingerprints int8 [n, dimension] of the images of a request, in their order.

    Raises:
        BrokenImageError: an image cannot be read, by its name and the reason.
        DataError: landmarks that cannot be used.
        UsageError: there are no images.
    """
    points = _landmarks(request)
    faces = [
        _face(Path(name), preparation, request.settings.data.max_image_bytes, points.get(normal(name)))
        for name in request.images
    ]
    side = network.model.input_side
    rows = [network.interpreter.raw(resize_face(face, side)[None]) for face in faces]
    return np.concatenate(rows)


def need_images(request: Request, fewest: int = 1, most: int | None = None) -> None:
    """Raise UsageError unless as many images were named as an action takes."""
    count = len(request.images)
    if count < fewest or (most is not None and count > most):
        allowed = f"{fewest}" if fewest == most else f"{fewest} or more"
        raise UsageError(f"got {count} image(s), allowed: {allowed}; name image files behind the verb")


def _landmarks(request: Request) -> Mapping[str, Points]:
    """The landmarks of every image by its name; empty where none were given."""
    if request.flags.landmarks is None:
        return {}
    names = [normal(name) for name in request.images]
    points = read_landmarks(request.flags.landmarks, "--landmarks").of(dict.fromkeys(_tail(name) for name in names))
    missing = [name for name in names if _tail(name) not in points]
    if missing:
        raise DataError(f"--landmarks: {request.flags.landmarks}: has no landmarks of {printable(missing[0])}")
    return {name: points[_tail(name)] for name in names}


def _tail(name: str) -> str:
    """Folder and file, which is how lists of landmarks name images."""
    return "/".join(Path(name).parts[-2:])


def _face(path: Path, preparation: Preparation, max_bytes: int, points: Points | None) -> NDArray[np.uint8]:
    shown = printable(str(path))
    try:
        size_bytes = path.stat().st_size
        content = path.read_bytes() if size_bytes <= max_bytes else b""
    except OSError as error:
        raise BrokenImageError(shown, error.strerror or str(error)) from error
    if fault := visible_fault(size_bytes, max_bytes):
        raise BrokenImageError(shown, fault)
    return prepared_face(content, shown, preparation, points)


def prepared_face(
    content: bytes, shown: str, preparation: Preparation, points: Points | None = None
) -> NDArray[np.uint8]:
    """The face uint8 [image_side, image_side, 3] of an image file.

    Args:
        content: the file.
        shown: its name, printable, for the message.
        preparation: how the network's images were prepared.
        points: landmarks to align by, instead of cropping.

    Raises:
        BrokenImageError: it cannot be decoded.
    """
    side = preparation.image_side
    try:
        if points is not None:
            return decode_aligned(content, side, points)
        return decode_face(content, side, preparation.crop)
    except UndecodableError as error:
        raise BrokenImageError(shown, str(error)) from error


def warnings_of(request: Request, network: Network) -> tuple[str, ...]:
    """What a user should know before trusting a score."""
    return (f"{NOT_ALIGNED}, see --landmarks",) if network.landmarks and request.flags.landmarks is None else ()
