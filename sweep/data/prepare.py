"""`data prepare`: decode and resize before a sweep does."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from facerec_core.data.loader import open_source
from facerec_core.data.records import FaceData
from facerec_core.options import DataOptions
from sweep.data import Request
from sweep.data.opening import cached, entry_bytes, load_into_cache, make_room
from sweep.data.progress import Bar
from sweep.latency.printing import plain_table, print_report


@dataclass(frozen=True)
class Prepared:
    """One resolution of one data set in the cache."""

    data: str
    fingerprint: str
    resolution: int
    images: int
    broken: int
    size_bytes: int
    folder: str


def act(request: Request) -> int:
    """Build the caches of every data set and resolution of a request, and say where they lie.

    Raises:
        DataError: images that cannot be used, as a sweep would refuse them.
        StorageError: the caches do not fit, or cannot be written.
    """
    cache = request.points[0].paths.folder / "cache"
    resolutions: dict[DataOptions, list[int]] = {}
    for point in request.points:
        resolutions.setdefault(point.data, []).append(point.res)
    with Bar() as bar:
        prepared = [one for data, sides in resolutions.items() for one in _prepare(data, sides, cache, bar)]
    if request.json:
        sys.stdout.write(f"{json.dumps([asdict(one) for one in prepared], indent=2)}\n")
        sys.stdout.flush()
    else:
        _print(prepared, resolutions, cache)
    return 0


def _prepare(options: DataOptions, resolutions: Sequence[int], cache: Path, bar: Bar) -> list[Prepared]:
    source = open_source(options)
    bar.show(f"listing {source.name}", 0, 0)
    there = {side: cached(source, options, side, cache) for side in resolutions}
    absent = [side for side, data in there.items() if data is None]
    if absent:
        make_room(source, options, absent, cache)
    return [_prepared(data or load_into_cache(source, options, side, cache, bar), side) for side, data in there.items()]


def _prepared(data: FaceData, resolution: int) -> Prepared:
    images = len(data.train.names) + len(data.validation.names) + len(data.test.names)
    folder = Path(str(data.train.images.filename)).parent if isinstance(data.train.images, np.memmap) else Path()
    size_bytes = entry_bytes(images, resolution)
    return Prepared(data.name, data.fingerprint, resolution, images, len(data.broken), size_bytes, str(folder))


def _print(
    prepared: Sequence[Prepared], sources: Sequence[DataOptions] | dict[DataOptions, list[int]], cache: Path
) -> None:
    table = plain_table(("res", "images", "broken", "MB"), ("data", "folder"))
    for one in prepared:
        numbers = (f"{one.resolution}", f"{one.images:,}", f"{one.broken:,}", f"{one.size_bytes / 1e6:,.0f}")
        table.add_row(*numbers, one.data, Path(one.folder).name)
    sizes = ", ".join(str(size) for size in dict.fromkeys(data.image_size for data in sources))
    print_report(table, ["", f"in {cache}, where the images decoded at {sizes} px lie too"])
