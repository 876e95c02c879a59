"""`identify`: who of a gallery is on each image, or nobody."""

from __future__ import annotations

from collections.abc import Sequence

from facerec_core.errors import UsageError
from facerec_core.gallery.edit import check_made_with
from facerec_core.gallery.files import read_gallery
from facerec_core.gallery.match import Match, Matcher
from facerec_core.gallery.names import printable
from facerec_core.gallery.records import Gallery
from sweep.gallery import Request
from sweep.gallery.faces import fingerprints, need_images, warnings_of
from sweep.gallery.models import open_network, pick_threshold
from sweep.gallery.printing import match_object, print_lines, print_object, threshold_text


def act(request: Request) -> int:
    """Print the nearest person to each image, or that it is unknown.

    Raises:
        DataError: a broken image, a damaged gallery, or one of another network.
        UsageError: a flag is missing or contradicts the gallery.
    """
    gallery = read_gallery(request.gallery)
    need_images(request)
    _refuse_crop(request, gallery)
    network = open_network(request)
    check_made_with(gallery, network.model, f"--gallery: {request.gallery}")
    threshold = pick_threshold(request, gallery.thresholds, f"--gallery: {request.gallery}")
    matcher = Matcher(gallery, request.flags.method)
    found = [matcher.match(one, threshold.fixed) for one in fingerprints(request, network, gallery.preparation)]
    warnings = warnings_of(request, network)
    if request.flags.json:
        images = zip(request.images, found, strict=True)
        print_object(
            {
                "threshold": threshold.threshold,
                "target_far": threshold.far,
                "method": request.flags.method or gallery.method,
                "images": [{"image": name, **match_object(match, gallery.names)} for name, match in images],
                "warnings": list(warnings),
            }
        )
    else:
        print_lines(_lines(request.images, found, gallery))
        print_lines([f"threshold {threshold_text(threshold)}", *(f"warning: {warning}" for warning in warnings)])
    return 0


def _refuse_crop(request: Request, gallery: Gallery) -> None:
    crop = request.flags.crop
    if crop is not None and abs(crop - gallery.preparation.crop) > 1e-6:
        raise UsageError(
            f"--crop: got {crop}, allowed: {gallery.preparation.crop:g}, with which the gallery was made; leave it out"
        )


def _lines(images: Sequence[str], found: Sequence[Match], gallery: Gallery) -> list[str]:
    return [f"{printable(name)}: {_in_words(match, gallery)}" for name, match in zip(images, found, strict=True)]


def _in_words(match: Match, gallery: Gallery) -> str:
    if match.person is None:
        return "unknown, the gallery is empty"
    nearest = printable(gallery.names[match.person])
    who = nearest if match.known else f"unknown, nearest {nearest}"
    second = ""
    if match.second is not None:
        second = f", {match.margin_to_second:.4f} ahead of {printable(gallery.names[match.second])}"
    return f"{who}, score {match.cosine:.4f}, {match.margin:+.4f} to the threshold{second}"
