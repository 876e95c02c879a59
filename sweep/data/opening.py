"""The faces of a request: opened as a sweep opens them, after a look at the room on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facerec_core.data.loader import load_faces, open_source
from facerec_core.data.records import FaceData, FaceSet
from facerec_core.data.selection import without_broken
from facerec_core.data.source import FaceSource, SourceIndex
from facerec_core.errors import DataError, StorageError
from facerec_core.options import DataOptions
from sweep.data.progress import Bar

CHANNELS = 3
_SPARE_BYTES = 16_000_000
"""What has to stay free besides: manifests, and what else writes meanwhile."""


class _AbsentError(Exception):
    """The cache does not hold it; raised out of a progress report, which is how a build is stopped before it begins."""


@dataclass(frozen=True)
class Opened:
    """Faces at one resolution, what their source lists, and what a sweep with these very options would refuse."""

    data: FaceData
    source: FaceSource
    index: SourceIndex
    refusal: str | None

    @property
    def splits(self) -> dict[str, FaceSet]:
        """The three splits by name."""
        return {"train": self.data.train, "validation": self.data.validation, "test": self.data.test}


def open_for_a_look(options: DataOptions, resolution: int, cache: Path, bar: Bar) -> Opened:
    """Open faces, going on without broken images and too small identities, whatever the options say of them.

    Raises:
        DataError: nothing can be trained and evaluated on.
        StorageError: the cache cannot be written, or there is no room for it.
    """
    lenient = replace(options, skip_broken=True, skip_small=True)
    source = open_source(options)
    bar.show(f"listing {source.name}", 0, 0)
    data = cached(source, lenient, resolution, cache)
    if data is None:
        make_room(source, lenient, [resolution], cache)
        data = load_into_cache(source, lenient, resolution, cache, bar)
    index = source.index()
    return Opened(data, source, index, _refusal(index, data, options))


def _refusal(index: SourceIndex, data: FaceData, options: DataOptions) -> str | None:
    found = [image for image in data.broken if image not in index.broken]
    try:
        without_broken(index, found, options)
    except DataError as error:
        return str(error)
    return None


def load_into_cache(source: FaceSource, options: DataOptions, resolution: int, cache: Path, bar: Bar) -> FaceData:
    """Open the faces at one resolution, building what the cache lacks."""
    what = f"{source.name} at {resolution} px"
    return load_faces(options, resolution, cache, lambda done, all_: bar.show(what, done, all_), source=source)


def make_room(source: FaceSource, options: DataOptions, absent: Sequence[int], cache: Path) -> None:
    """Estimate what the cache lacks and check that it fits.

    Args:
        source: whose images are to be cached.
        options: of the source.
        absent: the resolutions that the cache lacks.
        cache: where they go.

    Raises:
        StorageError: they do not fit.
        DataError: the data cannot be used.
    """
    index = source.index()
    images = len(index.train) + len(index.validation) + len(index.test)
    sides = absent if _is_decoded(cache, images, options.image_size) else [options.image_size, *absent]
    needed = sum(entry_bytes(images, side) for side in sides)
    free = shutil.disk_usage(_existing(cache)).free
    if needed + _SPARE_BYTES > free:
        raise StorageError(
            f"the image cache needs {_gigabytes(needed)} in {cache} ({images:,} images at "
            f"{', '.join(f'{side}' for side in sides)} px) and {_gigabytes(free)} are free; free some space, "
            "or set paths.root=PATH to a roomier disk"
        )


def entry_bytes(images: int, side: int) -> int:
    """The size of so many uint8 RGB images."""
    return images * side * side * CHANNELS


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB"


def cached(source: FaceSource, options: DataOptions, resolution: int, cache: Path) -> FaceData | None:
    """The faces at one resolution if the cache holds them, else None, and nothing is built."""

    def report(done: int, total: int) -> None:
        if done < total:
            raise _AbsentError

    try:
        return load_faces(options, resolution, cache, report, source=source)
    except _AbsentError:
        return None


def _is_decoded(cache: Path, images: int, side: int) -> bool:
    """Whether there is an entry of so many decoded images; enough for an estimate, the loader looks at the content."""
    wanted = (images, side, side, CHANNELS)
    for path in cache.glob("decoded-*/images.npy"):
        try:
            if np.load(path, mmap_mode="r", allow_pickle=False).shape == wanted:
                return True
        except (OSError, ValueError):  # damaged; it will be built again
            continue
    return False


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())
