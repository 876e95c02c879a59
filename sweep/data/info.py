"""`data info`: what a data set holds, split by split, as a sweep would use it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.records import FaceSet
from facerec_core.types import BrokenImage
from sweep.data import Request
from sweep.data.file_sizes import FileSize, file_sizes
from sweep.data.opening import open_for_a_look
from sweep.data.progress import Bar
from sweep.latency.printing import plain_table, print_report

_NAMED_SIZES = 4
_NAMED_BROKEN = 10
_COUNTED_UP_TO = 4


@dataclass(frozen=True)
class SplitInfo:
    """How many images and people a split has, and how many images a person; None where people have no names.

    `identities_by_images` maps "1" to "4", and "5+", to how many people have as many images.
    """

    split: str
    images: int
    identities: int | None = None
    fewest_images: int | None = None
    median_images: float | None = None
    most_images: int | None = None
    identities_by_images: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Info:
    """Everything `data info` says; `refusal` is why a sweep with these options would end, None if it would not."""

    data: str
    fingerprint: str
    image_size: int
    splits: tuple[SplitInfo, ...]
    file_sizes: tuple[FileSize, ...] | None
    broken: tuple[BrokenImage, ...]
    refusal: str | None


def act(request: Request) -> int:
    """Print what the data set of a request holds.

    Raises:
        DataError: nothing can be trained and evaluated on.
        StorageError: the cache cannot be written, or there is no room for it.
    """
    point = request.points[0]
    cache = point.paths.folder / "cache"
    with Bar() as bar:
        opened = open_for_a_look(point.data, point.res, cache, bar)
        index = opened.index
        used = {name for faces in opened.splits.values() for name in faces.names}
        refs = [ref for ref in (*index.train, *index.validation, *index.test) if ref.name in used]
        sizes = file_sizes(point.data, opened.source, refs, cache, bar)
    data = opened.data
    nameless = "test" if data.test_pairs.exclusive else None
    splits = tuple(split_info(name, faces, named=name != nameless) for name, faces in opened.splits.items())
    info = Info(data.name, data.fingerprint, point.data.image_size, splits, sizes, data.broken, opened.refusal)
    if request.json:
        sys.stdout.write(f"{json.dumps(asdict(info), indent=2)}\n")
        sys.stdout.flush()
    else:
        _print(info)
    return 0


def split_info(split: str, faces: FaceSet, *, named: bool = True) -> SplitInfo:
    """Count the images of a split, and its people if they are `named`."""
    if not named:
        return SplitInfo(split, len(faces.names))
    counts: NDArray[np.int64] = np.bincount(faces.labels, minlength=len(faces.identities)).astype(np.int64)
    by_images = {str(n): int((counts == n).sum()) for n in range(1, _COUNTED_UP_TO + 1)}
    by_images[f"{_COUNTED_UP_TO + 1}+"] = int((counts > _COUNTED_UP_TO).sum())
    low, median, high = (float(value) for value in (counts.min(), np.median(counts), counts.max()))
    return SplitInfo(split, len(faces.names), len(counts), int(low), median, int(high), by_images)


def _print(info: Info) -> None:
    kinds = tuple(info.splits[0].identities_by_images)
    headings = ("images", "people", "fewest", "median", "most", *(f"with {kind}" for kind in kinds))
    table = plain_table(headings, ("split",))
    for split in info.splits:
        spread = (split.identities, split.fewest_images, split.median_images, split.most_images)
        people = (split.identities_by_images.get(kind) for kind in kinds)
        table.add_row(f"{split.images:,}", *map(_number, (*spread, *people)), split.split)
    print_report(table, _lines(info))


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{int(value):,}" if value == int(value) else f"{value:,.1f}"


def _lines(info: Info) -> Iterator[str]:
    yield ""
    yield "fewest, median and most: images a person; with N: people who have N images"
    yield f"data {info.data}, fingerprint {info.fingerprint}"
    yield f"in files: {sizes_in_words(info.file_sizes)}; decoded at {info.image_size} px"
    elsewhere = sum(split.images for split in info.splits) - sum(size.images for size in info.file_sizes or ())
    if info.file_sizes and elsewhere:
        yield f"{elsewhere:,} images more lie inside a file of pairs, whose sizes are not looked at"
    yield f"broken: {len(info.broken):,}" + (", left out:" if info.broken else "")
    yield from (f"  {image.name}: {image.reason}" for image in info.broken[:_NAMED_BROKEN])
    if len(info.broken) > _NAMED_BROKEN:
        yield f"  and {len(info.broken) - _NAMED_BROKEN:,} more; --json lists them all"
    if info.refusal:
        yield f"a sweep would refuse this: {info.refusal}"


def sizes_in_words(sizes: Sequence[FileSize] | None) -> str:
    """The sizes one by one where there are few, else the spread of the shorter sides."""
    if not sizes:
        return "none, the images are made when they are read"
    if len(sizes) <= _NAMED_SIZES:
        return ", ".join(f"{size.images:,} of {size.width} × {size.height}" for size in sizes)
    shorter = np.repeat([min(size.width, size.height) for size in sizes], [size.images for size in sizes])
    first = sizes[0]
    return (
        f"{len(sizes):,} sizes, shorter side {shorter.min()} to {shorter.max()}, median {np.median(shorter):g}, most "
        f"often {first.width} × {first.height} ({first.images:,})"
    )
