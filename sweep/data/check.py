"""`data check`: broken images, duplicates and people in two splits; exit status 1 where there are errors."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from facerec_core.data.contact_sheet import contact_sheet
from facerec_core.data.duplicates import HASH_BITS, NEAR_BITS, find_duplicates
from facerec_core.data.records import FaceSet
from facerec_core.errors import StorageError
from facerec_core.stages import write_file
from sweep.data import Request
from sweep.data.findings import (
    MEANINGS,
    Finding,
    Kind,
    broken_findings,
    duplicate_findings,
    list_images,
    name_findings,
)
from sweep.data.opening import Opened, open_for_a_look
from sweep.data.progress import Bar
from sweep.data.sheet import COLUMNS, sections
from sweep.latency.printing import print_report

_NAMED = 8


@dataclass(frozen=True)
class Checked:
    """Everything `data check` says."""

    data: str
    fingerprint: str
    resolution: int
    images: int
    hash_bits: int
    near_bits: int
    errors: int
    warnings: int
    findings: tuple[Finding, ...]


def act(request: Request) -> int:
    """Look for what would spoil training or evaluation, and print it.

    Returns:
        1 where there are errors, 0 where there are none or only warnings.

    Raises:
        DataError: nothing can be trained and evaluated on.
        StorageError: the cache or the contact sheet cannot be written.
    """
    point = request.points[0]
    with Bar() as bar:
        opened = open_for_a_look(point.data, point.res, point.paths.folder / "cache", bar)
        findings = _findings(opened, point.data.skip_broken, request.allow_shared, bar)
    checked = _checked(opened, point.res, findings)
    if request.out is not None:
        _write_sheet(Path(request.out).expanduser(), opened, checked)
    if request.json:
        sys.stdout.write(f"{json.dumps(asdict(checked), indent=2)}\n")
        sys.stdout.flush()
    else:
        print_report(None, _lines(checked, opened.splits, request.out))
    return 1 if checked.errors else 0


def _findings(opened: Opened, skip_broken: bool, allow_shared: bool, bar: Bar) -> tuple[Finding, ...]:
    images = list_images(opened.splits)
    duplicates = find_duplicates([faces.images for faces in opened.splits.values()], bar.show)
    found = [
        *broken_findings(opened.data.broken, skip_broken, opened.refusal),
        *name_findings(opened.splits, allow_shared),
        *duplicate_findings(duplicates, images, "test" if opened.data.test_pairs.exclusive else None),
    ]
    order = list(MEANINGS)
    return tuple(sorted(found, key=lambda one: (one.severity, order.index(one.kind), one.distance_bits or 0)))


def _checked(opened: Opened, resolution: int, findings: Sequence[Finding]) -> Checked:
    images = sum(len(faces.names) for faces in opened.splits.values())
    errors = sum(finding.severity == "error" for finding in findings)
    data = opened.data
    counts = (images, HASH_BITS, NEAR_BITS, errors, len(findings) - errors)
    return Checked(data.name, data.fingerprint, resolution, *counts, tuple(findings))


def _write_sheet(path: Path, opened: Opened, checked: Checked) -> None:
    note = f"{checked.images:,} images at {checked.resolution} px, fingerprint {checked.fingerprint[:16]}"
    drawn = contact_sheet(f"Data set {checked.data}", note, sections(opened.splits, checked.findings), COLUMNS)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(temporary, drawn)
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; name another place with --out") from error
    finally:
        temporary.unlink(missing_ok=True)


def _lines(checked: Checked, splits: Mapping[str, FaceSet], out: str | None) -> Iterator[str]:
    sizes = ", ".join(f"{name} {len(faces.names):,}" for name, faces in splits.items())
    yield f"{checked.data}: {checked.images:,} images at {checked.resolution} px ({sizes})"
    by_kind: dict[tuple[str, Kind], list[Finding]] = {}
    for finding in checked.findings:
        by_kind.setdefault((finding.severity, finding.kind), []).append(finding)
    for (severity, kind), found in by_kind.items():
        yield ""
        yield f"{severity}: {len(found):,} × {kind} ({MEANINGS[kind]})"
        yield from (f"  {finding.text}" for finding in found[:_NAMED])
        if len(found) > _NAMED:
            yield f"  and {len(found) - _NAMED:,} more; --json lists them all"
    yield ""
    yield f"{_counted(checked.errors, 'error')}, {_counted(checked.warnings, 'warning')}"
    yield f"near duplicates differ in at most {NEAR_BITS} of {HASH_BITS} bits of a hash; mirrored ones are not found"
    if out is not None:
        yield f"contact sheet: {out}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
