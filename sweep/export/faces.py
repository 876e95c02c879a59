"""The faces an export is checked with: golden ones, and validation images of the data the network was trained for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.images import UndecodableError, decode_face, resize_face
from facerec_core.data.loader import open_source
from facerec_core.data.records import FaceSet
from facerec_core.data.selection import face_set
from facerec_core.data.source import FaceSource, ImageRef
from facerec_core.errors import BrokenImageError, DataError, OptionError, StorageError, UsageError
from facerec_core.export.golden import Faces, split_given
from facerec_core.export.golden_faces import rendered_faces
from facerec_core.gallery.names import printable
from facerec_core.options import DataOptions
from facerec_core.record_json import parse_record

FEWEST_GIVEN = 2


def data_options(config: Mapping[str, object], otherwise: DataOptions) -> DataOptions:
    """`data.*` as a record has it; keys that did not exist when it was written are as in `otherwise`.

    Raises:
        StorageError: the record holds what cannot be data options.
    """
    recorded = config.get("data")
    known = recorded if isinstance(recorded, Mapping) else {}
    return parse_record(DataOptions, json.dumps({**asdict(otherwise), **known}), "data of the record")


def golden_faces(names: Sequence[str], options: DataOptions, side: int) -> Faces:
    """Rendered faces, or the image files that were named, prepared as training images are.

    Raises:
        BrokenImageError: an image cannot be read.
        OptionError: fewer than two were named.
    """
    if not names:
        return rendered_faces(side)
    if len(names) < FEWEST_GIVEN:
        raise OptionError("images", ", ".join(names), f"{FEWEST_GIVEN} or more image files, or none for rendered faces")
    return split_given([_given(Path(name), options, side) for name in names], f"{len(names)} images that were given")


def _given(path: Path, options: DataOptions, side: int) -> NDArray[np.uint8]:
    shown = printable(str(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BrokenImageError(shown, error.strerror or str(error)) from error
    try:
        return resize_face(decode_face(content, options.image_size, options.crop), side)
    except UndecodableError as error:
        raise BrokenImageError(shown, str(error)) from error


def validation_faces(options: DataOptions, side: int, count: int) -> FaceSet:
    """Whole people of the validation split, those with several images first, until there are `count` images.

    Raises:
        UsageError: the data are not to be had here; says how to do without.
    """
    try:
        source = open_source(options)
        refs = _whole_people(source.index().validation, count)
        read = [(ref, image) for ref in refs if (image := _read(source, ref, options, side)) is not None]
    except (DataError, OptionError, StorageError) as error:
        raise UsageError(f"{error}; --verify-images 0 exports without judging validation images") from error
    if not read:
        raise UsageError("there are no validation images; --verify-images 0 exports without judging any")
    return face_set([ref for ref, _ in read], np.stack([image for _, image in read]), {})


def _read(source: FaceSource, ref: ImageRef, options: DataOptions, side: int) -> NDArray[np.uint8] | None:
    try:
        return resize_face(source.read(ref, options.image_size), side)
    except BrokenImageError:
        if options.skip_broken:
            return None
        raise


def _whole_people(refs: Sequence[ImageRef], count: int) -> list[ImageRef]:
    """The order of people is that of the split, so that the same images are taken every time."""
    images = Counter(ref.identity for ref in refs)
    chosen: set[str] = set()
    taken = 0
    for identity in sorted(images, key=lambda one: images[one] < 2):
        if taken >= count:
            break
        chosen.add(identity)
        taken += images[identity]
    return [ref for ref in refs if ref.identity in chosen]
