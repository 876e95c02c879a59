"""One folder an identity: finds the level where the identities' folders lie, and reads images by name."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.alignment import ALIGNMENT_VERSION, Points
from facerec_core.data.images import EMPTY, SUFFIXES, UndecodableError, decode_aligned, decode_face
from facerec_core.data.landmarks import Landmarks
from facerec_core.data.source import ImageRef
from facerec_core.data.store import Member, Store, UnreadableError, open_store
from facerec_core.errors import BrokenImageError, DataError
from facerec_core.types import BrokenImage

_IDENTITY_AND_FILE = 2
_MISPLACED = "not directly in an identity's folder"


@dataclass(frozen=True)
class IdentityTree:
    """The images of a folder or archive; `paths[name]` leads to each, `broken` is known before decoding.

    Where `alignment`, a hash of the landmarks' file, is given, `points[name]` is float64 [5, 2] of each usable image.
    """

    store: Store
    refs: tuple[ImageRef, ...]
    paths: Mapping[str, str]
    broken: tuple[BrokenImage, ...]
    alignment: str = ""
    points: Mapping[str, Points] = field(default_factory=dict)

    @property
    def by_identity(self) -> dict[str, list[ImageRef]]:
        """The usable images of each identity, both sorted."""
        out: dict[str, list[ImageRef]] = defaultdict(list)
        for ref in self.refs:
            out[ref.identity].append(ref)
        return dict(out)

    def content(self) -> str:
        """Hash of the names and bytes of all images, with what they are aligned by."""
        return self.store.content(list(self.paths.values())) + self.alignment

    def read(self, name: str, size: int, crop: float) -> NDArray[np.uint8]:
        """Decode one image to uint8 RGB [size, size, 3], aligned or cropped; raises BrokenImageError."""
        try:
            data = self.store.read(self.paths[name])
            return decode_aligned(data, size, self.points[name]) if self.alignment else decode_face(data, size, crop)
        except (UnreadableError, UndecodableError) as error:
            raise BrokenImageError(name, str(error)) from error


def open_tree(root: str, key: str, suffixes: tuple[str, ...], max_bytes: int) -> IdentityTree:
    """List the images of a folder or archive.

    Args:
        root: the folder or archive; `~` is the user's home.
        key: the configuration key that named it, for messages.
        suffixes: which archives are welcome, such as (".zip",).
        max_bytes: larger images are broken.

    Raises:
        DataError: absent, no images, or images that do not lie in one folder an identity.
    """
    path = Path(root).expanduser()
    store = open_store(path, key, suffixes, max_bytes)
    images = [member for member in store.members() if member.path.lower().endswith(SUFFIXES)]
    if not images:
        raise DataError(
            f"{key}: no images in {path}; needed: one folder an identity, with {', '.join(SUFFIXES)} files in it"
        )
    top = _top([PurePosixPath(member.path).parts for member in images])
    if top is None:
        raise DataError(
            f"{key}: the {len(images)} images in {path} do not lie in one folder an identity (first: "
            f"{images[0].path}); needed: IDENTITY/FILE, such as Ada_Lovelace/0001.jpg"
        )
    tree = _tree(store, images, top, max_bytes)
    if not tree.refs:
        first = tree.broken[0]
        raise DataError(
            f"{key}: none of the {len(images)} images in {path} can be used, as {first.name}: {first.reason}"
        )
    return tree


def align(tree: IdentityTree, landmarks: Landmarks) -> IdentityTree:
    """The same images, to be read aligned; those without landmarks are broken.

    Raises:
        DataError: none has landmarks, or it cannot be said which image an entry is about.
    """
    points = landmarks.of(ref.name for ref in tree.refs)
    if not points:
        raise DataError(
            f"{landmarks.source} names none of the {len(tree.refs)} images, such as {tree.refs[0].name}; "
            "needed: IDENTITY/FILE or FILE, with or without suffix"
        )
    without = tuple(BrokenImage(ref.name, "no landmarks") for ref in tree.refs if ref.name not in points)
    return replace(
        tree,
        refs=tuple(ref for ref in tree.refs if ref.name in points),
        broken=(*tree.broken, *without),
        alignment=f"aligned {ALIGNMENT_VERSION} {landmarks.digest}",
        points=points,
    )


def _top(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The folders above the identities' folders, or None when there is no such level.

    The depth at which most images lie is the right one; what they have in common is above the identities.
    """
    depths = Counter(map(len, paths))
    depth = min(depths, key=lambda d: (-depths[d], d))
    top = next(path for path in paths if len(path) == depth)[: max(0, depth - _IDENTITY_AND_FILE)]
    usual = [path for path in paths if len(path) == depth]
    lies_below = all(path[: len(top)] == top for path in usual)
    return top if depth >= _IDENTITY_AND_FILE and lies_below else None


def _tree(store: Store, images: Sequence[Member], top: tuple[str, ...], max_bytes: int) -> IdentityTree:
    refs, paths, broken = [], {}, []
    for member in images:
        parts = PurePosixPath(member.path).parts
        below = parts[len(top) :]
        if parts[: len(top)] != top or len(below) != _IDENTITY_AND_FILE:
            broken.append(BrokenImage(member.path, _MISPLACED))
            continue
        # macOS writes accents in two characters, everyone else in one; pairs files name people too.
        name = unicodedata.normalize("NFC", "/".join(below))
        if name in paths:
            broken.append(BrokenImage(member.path, f"another file is called {name} too"))
            continue
        paths[name] = member.path
        if reason := visible_fault(member.size_bytes, max_bytes):
            broken.append(BrokenImage(name, reason))
        else:
            refs.append(ImageRef(name, name.split("/")[0]))
    return IdentityTree(store, tuple(sorted(refs, key=lambda ref: ref.name)), paths, tuple(broken))


def visible_fault(size_bytes: int, max_bytes: int) -> str | None:
    """What is wrong with an image file of that size, or None; `max_bytes` is `data.max_image_bytes`."""
    if size_bytes == 0:
        return EMPTY
    if size_bytes > max_bytes:
        return f"{size_bytes:,} bytes are more than data.max_image_bytes={max_bytes}"
    return None
