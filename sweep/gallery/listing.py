"""`gallery list`: who is enrolled, with how many fingerprints."""

from __future__ import annotations

from facerec_core.gallery.files import read_gallery
from facerec_core.gallery.names import printable
from sweep.gallery import Request
from sweep.gallery.printing import print_lines, print_object


def act(request: Request) -> int:
    """Print names and counts.

    Raises:
        DataError: no gallery, or a damaged one.
    """
    gallery = read_gallery(request.gallery)
    people = list(zip(gallery.names, gallery.counts, strict=True))
    if request.flags.json:
        print_object({"people": [{"name": name, "fingerprints": count} for name, count in people]})
    else:
        print_lines([*(f"{count:>6,}  {printable(name)}" for name, count in people), f"{len(people):,} people"])
    return 0
