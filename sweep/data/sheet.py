"""What goes onto the contact sheet: duplicates side by side, then people of every split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.contact_sheet import Row, Section
from facerec_core.data.duplicates import HASH_BITS
from facerec_core.data.records import FaceSet
from sweep.data.findings import MEANINGS, Finding, Kind, Shown

Item = TypeVar("Item")

COLUMNS = 8
_PEOPLE = 8
_ROWS_A_KIND = 12
_PICTURED: tuple[Kind, ...] = (
    "duplicate across splits",
    "duplicate of two people",
    "duplicate of one person",
    "flat",
)


def sections(splits: Mapping[str, FaceSet], findings: Sequence[Finding]) -> tuple[Section, ...]:
    """The sheet's sections; of many findings of a kind, and of many people, a few evenly spread over all of them.

    Args:
        splits: the images, by split.
        findings: of which those that are about images are shown.
    """
    found = [_kind(kind, [one for one in findings if one.kind == kind], splits) for kind in _PICTURED]
    people = (_people(split, faces) for split, faces in splits.items())
    return (*(section for section in found if section.rows), *people)


def _kind(kind: Kind, findings: Sequence[Finding], splits: Mapping[str, FaceSet]) -> Section:
    shown = _spread(findings, _ROWS_A_KIND)
    heading = f"{kind[:1].upper()}{kind[1:]}: {len(shown)} of {len(findings):,}"
    return Section(heading, MEANINGS[kind], tuple(_finding(one, splits) for one in shown))


def _finding(finding: Finding, splits: Mapping[str, FaceSet]) -> Row:
    bits = finding.distance_bits
    how = "" if bits is None else "equal pixels" if "equal pixels" in finding.text else f"{bits} of {HASH_BITS} bits"
    label = tuple(dict.fromkeys(f"{image.identity} ({image.split})" for image in finding.images))
    pictures = tuple(_picture(image, splits) for image in finding.images)
    return Row((*label, how), pictures, tuple(_caption(image.name, image.identity) for image in finding.images))


def _picture(image: Shown, splits: Mapping[str, FaceSet]) -> NDArray[np.uint8]:
    before = 0
    for split, faces in splits.items():
        if split == image.split:
            break
        before += len(faces.names)
    return np.asarray(splits[image.split].images[image.index - before])


def _people(split: str, faces: FaceSet) -> Section:
    """A few people, those with several images first, for what a label has in common shows only there."""
    counts = np.bincount(faces.labels, minlength=len(faces.identities))
    several = np.flatnonzero(counts > 1).tolist()
    chosen = _spread(several or list(range(len(counts))), _PEOPLE)
    rows = tuple(_person(faces, label, int(counts[label])) for label in chosen)
    heading = f"{split[:1].upper()}{split[1:]}: {len(rows)} of {len(counts):,} people"
    return Section(heading, f"{len(faces.names):,} images; of each person the first {COLUMNS} at most", rows)


def _person(faces: FaceSet, label: int, count: int) -> Row:
    first = np.flatnonzero(faces.labels == label)[:COLUMNS].tolist()
    identity = faces.identities[label]
    captions = tuple(_caption(faces.names[index], identity) for index in first)
    noun = "image" if count == 1 else "images"
    return Row((identity, f"{count:,} {noun}"), tuple(faces.images[i] for i in first), captions)


def _caption(name: str, identity: str) -> str:
    """The file's name without the person's, which stands on the left."""
    return name.split("/")[-1].removeprefix(f"{identity}_")


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the items, evenly spaced, the first among them."""
    if len(items) <= most:
        return list(items)
    return [items[index * len(items) // most] for index in range(most)]
