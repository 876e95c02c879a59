"""From options to faces in memory: open the source, decode once, resize once a resolution, pair up."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_core.data import cache
from facerec_core.data.groups import read_groups
from facerec_core.data.records import FaceData
from facerec_core.data.selection import check_small, check_splits, face_set, few_of_each, pair_up, without_broken
from facerec_core.data.source import FaceSource, ImageRef, SourceIndex
from facerec_core.errors import BrokenImageError, require
from facerec_core.options import DataOptions
from facerec_core.protocol import FOLDS
from facerec_core.types import BrokenImage

Report = Callable[[int, int], None]
Images = NDArray[np.uint8]

_CHUNK = 128
"""Images between two writes and two signs of life; bounds the memory in use."""


def open_source(options: DataOptions) -> FaceSource:
    """Make the source that `data.kind` names; nothing is read yet.

    Raises:
        OptionError: a folder is given to the synthetic source, which reads none.
    """
    if options.kind == "folder":
        from facerec_core.data.folder import FolderSource

        return FolderSource(options)
    if options.kind == "lfw":
        from facerec_core.data.lfw import LfwSource

        return LfwSource(options)
    if options.kind == "celeba":
        from facerec_core.data.celeba import CelebaSource

        return CelebaSource(options)
    if options.kind == "verification":
        from facerec_core.data.verification import VerificationSource

        return VerificationSource(options)
    for key in ("root", "train_root", "pairs"):
        value = getattr(options, key)
        require(value is None, f"data.{key}", value, "nothing with data=synthetic", "use another data=")
    from facerec_core.data.synthetic import SyntheticSource

    return SyntheticSource(options)


def load_faces(
    options: DataOptions,
    resolution: int,
    cache_dir: Path,
    report: Report,
    *,
    folds: int = FOLDS,
    source: FaceSource | None = None,
) -> FaceData:
    """Deliver the three splits at one resolution, from the cache where it holds them.

    Every image is decoded once into `cache_dir`, at `options.image_size`, and resized once a resolution.

    Args:
        options: where faces come from and how they are split.
        resolution: side of the delivered images in pixels.
        cache_dir: made when it is absent; several processes may share it.
        report: called with (images done, images in all), once for each of the two passes and every few images.
        folds: folds of pairs whose folds are not prescribed by a file.
        source: a source to use instead of the one `options.kind` names.

    Returns:
        FaceData whose fingerprint depends on the images, the splits and the prescribed pairs, not on the resolution.

    Raises:
        DataError: images, identities, pairs, landmarks or groups that cannot be used.
        StorageError: the cache cannot be written.
    """
    source = source or open_source(options)
    index = few_of_each(source.index(), options)
    if not index.broken:
        check_small(index.train, options)
        check_splits(index, options)
    group_of = read_groups(options.groups).of(index) if options.groups is not None else {}
    content = source.fingerprint()
    base = _open_base(source, index, content, options, cache_dir, report)
    index = without_broken(index, base.broken, options)
    check_splits(index, options)
    splits = {name: getattr(index, name) for name in ("train", "validation", "test")}
    fingerprint = _digest(
        [content, options.image_size, options.seed, [[astuple(ref) for ref in refs] for refs in splits.values()]],
        [[astuple(pair) for pair in pairs or ()] for pairs in (index.validation_pairs, index.test_pairs)],
    )
    entry = _open_resolution(base, splits, fingerprint, resolution, cache_dir, report)
    sets = {name: face_set(refs, entry.arrays[name], group_of) for name, refs in splits.items()}
    return FaceData(
        name=source.name,
        fingerprint=fingerprint,
        **sets,
        validation_pairs=pair_up(index.validation_pairs, sets["validation"], options.seed, folds),
        test_pairs=replace(
            pair_up(index.test_pairs, sets["test"], options.seed, folds), exclusive=index.test_pairs_only
        ),
        broken=index.broken,
    )


@dataclass(frozen=True)
class _Base:
    """The images at `image_size`: row `rows[name]` of `images`; broken ones have a black row."""

    key: str
    images: Images
    rows: Mapping[str, int]
    broken: tuple[BrokenImage, ...]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps([cache.FORMAT, *parts], separators=(",", ":")).encode()).hexdigest()


def _open_base(
    source: FaceSource, index: SourceIndex, content: str, options: DataOptions, cache_dir: Path, report: Report
) -> _Base:
    size = options.image_size
    # Sorted by name: another seed deals the same images into other splits, and must find them here.
    refs = sorted((*index.train, *index.validation, *index.test), key=lambda ref: ref.name)
    key = _digest(content, size, [ref.name for ref in refs])
    broken: dict[str, str] = {}

    def read(ref: ImageRef) -> Images:
        try:
            return source.read(ref, size)
        except BrokenImageError as error:
            broken[ref.name] = error.reason
            return np.zeros((size, size, 3), np.uint8)

    def notes() -> dict[str, str]:
        without_broken(index, _broken_images(broken), options)  # raises before anything is kept
        return broken

    entry = cache.open_or_build(
        cache_dir / f"decoded-{key[:24]}",
        specs=lambda: {"images": cache.ArraySpec(len(refs), size, _in_chunks(read, refs, len(refs), report))},
        notes=notes,
        waiting=lambda: report(0, len(refs)),
    )
    rows = {ref.name: row for row, ref in enumerate(refs)}
    return _Base(key, entry.arrays["images"], rows, _broken_images(entry.notes))


def _broken_images(reasons: Mapping[str, str]) -> tuple[BrokenImage, ...]:
    return tuple(BrokenImage(name, reason) for name, reason in sorted(reasons.items()))


def _open_resolution(
    base: _Base,
    splits: Mapping[str, Sequence[ImageRef]],
    fingerprint: str,
    resolution: int,
    cache_dir: Path,
    report: Report,
) -> cache.Entry:
    from facerec_core.data.images import resize_face

    total = sum(map(len, splits.values()))

    def resize(ref: ImageRef) -> Images:
        return resize_face(base.images[base.rows[ref.name]], resolution)

    def released(chunks: Iterator[Images]) -> Iterator[Images]:
        for chunk in chunks:
            yield chunk
            cache.release(base.images)

    def specs() -> dict[str, cache.ArraySpec]:
        out, before = {}, 0
        for name, refs in splits.items():
            chunks = released(_in_chunks(resize, refs, total, report, before))
            out[name] = cache.ArraySpec(len(refs), resolution, chunks)
            before += len(refs)
        return out

    key = _digest(base.key, fingerprint, resolution)
    entry = cache.open_or_build(
        cache_dir / f"faces-{resolution}-{key[:24]}", specs, notes=dict, waiting=lambda: report(0, total)
    )
    report(total, total)
    return entry


def _in_chunks(
    make: Callable[[ImageRef], Images], refs: Sequence[ImageRef], total: int, report: Report, before: int = 0
) -> Iterator[Images]:
    """Make the images in threads, a chunk at a time; Pillow and numpy release the interpreter's lock."""
    report(before, total)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(refs), _CHUNK):
            chunk = refs[start : start + _CHUNK]
            yield np.stack(list(pool.map(make, chunk)))
            report(before + start + len(chunk), total)
