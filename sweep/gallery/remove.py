"""`gallery remove`: a person and all their fingerprints leave the file."""

from __future__ import annotations

from facerec_core.gallery.edit import without_person
from facerec_core.gallery.files import locked, read_gallery, write_gallery
from facerec_core.gallery.names import canonical_name, printable
from sweep.gallery import Request
from sweep.gallery.printing import print_lines, print_object


def act(request: Request) -> int:
    """Write the gallery without the person of `--name`; copies and exports made before keep them.

    Raises:
        DataError: nobody of that name, no gallery, or a damaged one.
        StorageError: it cannot be written.
    """
    typed = request.text("name", "the name of somebody enrolled")
    with locked(request.gallery):
        gallery = read_gallery(request.gallery)
        name = typed if typed in gallery.names else canonical_name(typed, "--name")
        rest = without_person(gallery, name)
        write_gallery(request.gallery, rest)
    removed = len(gallery.vectors) - len(rest.vectors)
    if request.flags.json:
        print_object({"removed": name, "fingerprints": removed, "people": len(rest.names)})
    else:
        print_lines([f"{printable(name)}: removed with {removed} fingerprint(s); {len(rest.names):,} people are left"])
    return 0
