"""`enroll`: images of one person become fingerprints of a gallery."""

from __future__ import annotations

from facerec_core.errors import UsageError
from facerec_core.gallery.edit import check_made_with, with_person
from facerec_core.gallery.files import locked, read_gallery, write_gallery
from facerec_core.gallery.names import canonical_name, printable
from facerec_core.gallery.records import Gallery
from sweep.gallery import Request
from sweep.gallery.faces import fingerprints, need_images, warnings_of
from sweep.gallery.models import Network, open_network, pick_threshold
from sweep.gallery.printing import print_lines, print_object, threshold_text

SUFFIX = ".fpdb"


def act(request: Request) -> int:
    """Add the images of one person; the gallery is made where there is none.

    Raises:
        DataError: a broken image, a name that is none, a damaged gallery, or one of another network.
        StorageError: the gallery cannot be read or written.
        UsageError: a flag is missing or contradicts the gallery.
    """
    name = canonical_name(request.text("name", "the person's name"), "--name")
    path = request.gallery
    if path.suffix != SUFFIX:
        raise UsageError(f"--gallery: got {path.name!r}, allowed: a file that ends in {SUFFIX}")
    need_images(request)
    network = open_network(request)
    with locked(path):
        before = read_gallery(path) if path.exists() else new_gallery(request, network)
        check_made_with(before, network.model, f"--gallery: {path}")
        refuse_changes(request, before)
        gallery, added = with_person(before, name, fingerprints(request, network, before.preparation))
        write_gallery(path, gallery)
    _report(request, gallery, name, added, warnings_of(request, network))
    return 0


def new_gallery(request: Request, network: Network) -> Gallery:
    """A gallery without people, for the fingerprints of a network."""
    first = pick_threshold(request, network.thresholds, "--model")
    others = tuple(one for one in network.thresholds if one.far_billionths != first.far_billionths)
    thresholds = (first,) if request.flags.threshold is not None else (first, *others)
    return Gallery(network.model, network.preparation, request.flags.method or "best", thresholds)


def refuse_changes(request: Request, gallery: Gallery) -> None:
    """Fingerprints of one gallery are made and judged alike; what was chosen when it was made stays.

    Raises:
        UsageError: a flag asks for something else.
    """
    flags = request.flags
    threshold = gallery.thresholds[0].threshold
    chosen = (
        ("method", flags.method, gallery.method, flags.method == gallery.method),
        ("crop", flags.crop, gallery.preparation.crop, _near(flags.crop, gallery.preparation.crop)),
        ("threshold", flags.threshold, threshold, _near(flags.threshold, threshold)),
    )
    for flag, given, kept, same in chosen:
        if given is not None and not same:
            raise UsageError(
                f"--{flag}: got {given}, allowed: {kept}, with which the gallery was made; leave it out, or begin "
                "another gallery"
            )


def _near(given: float | None, kept: float) -> bool:
    return given is not None and abs(given - kept) < 1e-6


def _report(request: Request, gallery: Gallery, name: str, added: int, warnings: tuple[str, ...]) -> None:
    images = int(gallery.counts[gallery.names.index(name)])
    already = len(request.images) - added
    if request.flags.json:
        print_object(
            {
                "person": name,
                "added": added,
                "already_there": already,
                "fingerprints": images,
                "people": len(gallery.names),
                "threshold": gallery.thresholds[0].threshold,
                "target_far": gallery.thresholds[0].far,
                "warnings": list(warnings),
            }
        )
        return
    known = f", {already} of the images were there already" if already else ""
    print_lines(
        [
            f"{printable(name)}: {added} fingerprint(s) added, {images} in all{known}",
            f"{request.gallery}: {len(gallery.names):,} people, threshold {threshold_text(gallery.thresholds[0])}",
            *(f"warning: {warning}" for warning in warnings),
        ]
    )
