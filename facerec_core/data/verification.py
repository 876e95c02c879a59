"""Files of face pairs without names, as face-recognition projects exchange them: lfw.bin, cfp_fp.bin, agedb_30.bin.

Format: a pickle of (images, same): two encoded images a pair, and whether they show one person. Written and read so in
https://github.com/deepinsight/insightface, src/data/lfw2pack.py (commit ead1bf5) and
recognition/arcface_torch/eval/verification.py (commit 166d743).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.folder import ARCHIVES, hold_out, images_of
from facerec_core.data.forms import open_faces
from facerec_core.data.images import UndecodableError, decode_face
from facerec_core.data.pickled_calls import PickledArray
from facerec_core.data.plain_pickle import read_plain_pickle
from facerec_core.data.source import ImageRef, PairRef, SourceIndex
from facerec_core.data.tree import IdentityTree, visible_fault
from facerec_core.errors import BrokenImageError, DataError
from facerec_core.options import DataOptions
from facerec_core.protocol import FOLDS
from facerec_core.types import BrokenImage

SUFFIX = ".bin"

MAX_FILE_BYTES = 2**30
"""The usual files have 50 to 200 MB; they are held in memory."""

_WHOLE = 1.0
"""The images are already cut to the face, so `data.crop` is for the training faces alone."""

_KINDS = {"NoneType": "nothing", "PickledArray": "an array", "memoryview": "bytes", "str": "a text"}
_LISTS = 2
_IMAGES_A_PAIR = 2


@dataclass(frozen=True)
class FacePairs:
    """Two encoded images a pair, `images[2 * i]` and `images[2 * i + 1]`, and whether pair i shows one person."""

    images: tuple[bytes | memoryview, ...]
    same: tuple[bool, ...]


def parse_face_pairs(content: bytes, source: str) -> FacePairs:
    """Read the content of such a file without unpickling it.

    Args:
        content: the file.
        source: its name, for messages.

    Raises:
        DataError: it is no such pickle, or its lists do not fit each other.
    """
    value = read_plain_pickle(content, source)
    if not isinstance(value, tuple | list) or len(value) != _LISTS:
        raise DataError(f"{source}: holds {_kind(value)}; needed: a pickle of two lists, the images and issame_list")
    images = tuple(_image(item, number, source) for number, item in enumerate(_items(value[0], "images", source)))
    same = tuple(_truth(item, number, source) for number, item in enumerate(_items(value[1], "issame_list", source)))
    if len(images) != _IMAGES_A_PAIR * len(same) or not same:
        raise DataError(
            f"{source}: {len(images)} images and {len(same)} entries in issame_list; needed: two images an entry"
        )
    if all(same) or not any(same):
        raise DataError(f"{source}: {sum(same)} of {len(same)} pairs show one person; needed: pairs of both kinds")
    return FacePairs(images, same)


def _items(value: object, what: str, source: str) -> Sequence[object]:
    if isinstance(value, PickledArray) and value.values is not None and what == "issame_list":
        return value.values.tolist()  # type: ignore[no-any-return]  # of numbers or truth values
    if not isinstance(value, tuple | list):
        raise DataError(f"{source}: {what}: got {_kind(value)}, allowed: a list")
    return value


def _image(item: object, number: int, source: str) -> bytes | memoryview:
    if isinstance(item, PickledArray) and item.values is not None and item.values.dtype == np.uint8:
        return item.values.data
    if not isinstance(item, bytes | memoryview):
        raise DataError(f"{source}: image {number}: got {_kind(item)}, allowed: the bytes of a JPEG or PNG file")
    return item


def _truth(item: object, number: int, source: str) -> bool:
    if not isinstance(item, bool | int) or item not in (0, 1):
        raise DataError(f"{source}: issame_list: entry {number}: got {_kind(item)}, allowed: True or False")
    return bool(item)


def _kind(value: object) -> str:
    """What it is, in words: the value itself may be large, or hold itself."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return _KINDS.get(type(value).__name__, type(value).__name__)


class VerificationSource:
    """`data=verification`: tested on the pairs of a .bin file, trained and validated on `data.train_root`.

    Nobody in the file has a name, so the images of a genuine pair count as one person of their own, those of an
    impostor pair as two, and no other pairs are scored.
    """

    def __init__(self, options: DataOptions) -> None:
        self._options = options
        self._path = Path(str(options.root)).expanduser()

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self._path.absolute().stem

    @cached_property
    def _content(self) -> bytes:
        needed = f"a {SUFFIX} file of at most {MAX_FILE_BYTES:,} bytes"
        if self._path.suffix.lower() != SUFFIX or self._path.is_dir():
            raise DataError(f"data.root: got {self._path}, allowed with data=verification: {needed}")
        try:
            size_bytes = self._path.stat().st_size
            if size_bytes > MAX_FILE_BYTES:
                raise DataError(f"data.root: {self._path} has {size_bytes:,} bytes; needed: {needed}")
            return self._path.read_bytes()
        except OSError as error:
            raise DataError(f"data.root: cannot read {self._path}: {error.strerror}; needed: {needed}") from error

    @cached_property
    def _pairs(self) -> FacePairs:
        return parse_face_pairs(self._content, f"data.root: {self._path}")

    @cached_property
    def _train(self) -> IdentityTree:
        return open_faces(self._options, "data.train_root", ARCHIVES)

    @cached_property
    def _images(self) -> dict[str, bytes | memoryview]:
        names = (name for _, *both in self._names() for name in both)
        return dict(zip(names, self._pairs.images, strict=True))

    def _names(self) -> Iterator[tuple[bool, str, str]]:
        """Of each pair: whether it is genuine, and its images' names; a training image cannot have such a name."""
        for number, same in enumerate(self._pairs.same):
            pair = f"{self.name}{SUFFIX}/pair_{number:05d}"
            yield same, f"{pair}/first", f"{pair}/second"

    def index(self) -> SourceIndex:
        """List the training images and the pairs; raises DataError."""
        train, validation = hold_out(self._train, self._options)
        broken = self._broken()
        unusable = {image.name for image in broken}
        return SourceIndex(
            train=images_of(train, self._train),
            validation=images_of(validation, self._train),
            test=tuple(ref for ref in self._tested() if ref.name not in unusable),
            test_pairs=self._test_pairs(),
            broken=(*broken, *self._train.broken),
            test_pairs_only=True,
        )

    def _tested(self) -> Iterator[ImageRef]:
        for same, first, second in self._names():
            pair = first.rpartition("/")[0]
            yield ImageRef(first, pair if same else first)
            yield ImageRef(second, pair if same else second)

    def _test_pairs(self) -> tuple[PairRef, ...]:
        """The pairs in as many runs as there are folds, the way such files are made and evaluated elsewhere."""
        count = len(self._pairs.same)
        return tuple(
            PairRef(first, second, same, number * FOLDS // count)
            for number, (same, first, second) in enumerate(self._names())
        )

    def _broken(self) -> tuple[BrokenImage, ...]:
        most = self._options.max_image_bytes
        faults = ((name, visible_fault(len(data), most)) for name, data in self._images.items())
        return tuple(BrokenImage(name, fault) for name, fault in faults if fault)

    def fingerprint(self) -> str:
        """Hash of the file, of the training images' names and bytes, and of the crop."""
        parts = [hashlib.sha256(self._content).hexdigest(), self._train.content(), repr(self._options.crop)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def read(self, ref: ImageRef, size: int) -> NDArray[np.uint8]:
        """Decode one image to uint8 RGB [size, size, 3]; raises BrokenImageError."""
        if ref.name in self._train.paths:
            return self._train.read(ref.name, size, self._options.crop)
        try:
            return decode_face(bytes(self._images[ref.name]), size, _WHOLE)
        except UndecodableError as error:
            raise BrokenImageError(ref.name, str(error)) from error
