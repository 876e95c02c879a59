"""How large the images are in their files, read once and kept beside the cache."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from facerec_core.data.folder import open_trees
from facerec_core.data.forms import open_faces
from facerec_core.data.images import FORMATS
from facerec_core.data.source import FaceSource, ImageRef
from facerec_core.data.store import ARCHIVE_SUFFIXES, UnreadableError
from facerec_core.data.tree import IdentityTree
from facerec_core.errors import StorageError
from facerec_core.options import DataOptions
from facerec_core.stages import write_file
from sweep.data.progress import Bar

_CHUNK = 256


@dataclass(frozen=True)
class FileSize:
    """How many images have so many pixels in their files."""

    width: int
    height: int
    images: int


def file_sizes(
    options: DataOptions, source: FaceSource, refs: Sequence[ImageRef], cache: Path, bar: Bar
) -> tuple[FileSize, ...] | None:
    """The sizes of the images in their files, the most frequent first; None where there are no files of images.

    Images inside a file of pairs (`data=verification`) are not counted.

    Raises:
        StorageError: what was found cannot be kept in the cache.
    """
    if options.kind == "synthetic":
        return None
    names = sorted(ref.name for ref in refs)
    key = hashlib.sha256("\0".join([source.fingerprint(), *names]).encode("utf-8", "surrogateescape")).hexdigest()
    path = cache / f"file-sizes-{key[:24]}.json"
    known = _read(path)
    if known is None:
        known = _measure(_trees(options), names, bar)
        _write(path, known)
    return known


def _trees(options: DataOptions) -> tuple[IdentityTree, ...]:
    """Where the files are; the source has opened them already, so nothing is refused here."""
    if options.kind == "verification":
        return (open_faces(options, "data.train_root", ARCHIVE_SUFFIXES),)
    trees = open_trees(options, ARCHIVE_SUFFIXES)
    return (trees.train, trees.root) if trees.train else (trees.root,)


def _measure(trees: Sequence[IdentityTree], names: Sequence[str], bar: Bar) -> tuple[FileSize, ...]:
    counts: Counter[tuple[int, int]] = Counter()

    def size(name: str) -> tuple[int, int] | None:
        tree = next((tree for tree in trees if name in tree.paths), None)
        if tree is None:
            return None
        try:
            with Image.open(io.BytesIO(tree.store.read(tree.paths[name])), formats=FORMATS) as image:
                return image.size
        except (UnreadableError, UnidentifiedImageError):  # it has changed since it was decoded
            return None

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(names), _CHUNK):
            bar.show("image sizes", start, len(names))
            counts.update(filter(None, pool.map(size, names[start : start + _CHUNK])))
    return _sorted(FileSize(*side, count) for side, count in counts.items())


def _sorted(sizes: Iterable[FileSize]) -> tuple[FileSize, ...]:
    return tuple(sorted(sizes, key=lambda size: (-size.images, size.width, size.height)))


def _read(path: Path) -> tuple[FileSize, ...] | None:
    """What an earlier look found; None where there was none, or its file is damaged."""
    try:
        return tuple(FileSize(*map(int, row)) for row in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, sizes: Sequence[FileSize]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_file(temporary, json.dumps([[size.width, size.height, size.images] for size in sizes]).encode())
        temporary.replace(path)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}; free some space, or set paths.root=PATH to a folder that can "
            "be written"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
