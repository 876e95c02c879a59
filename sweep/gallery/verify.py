"""`verify`: whether two images show one person."""

from __future__ import annotations

from facerec_core.gallery.fixed_point import ONE, compare
from facerec_core.gallery.names import printable
from sweep.gallery import Request
from sweep.gallery.faces import fingerprints, need_images, warnings_of
from sweep.gallery.models import open_network, pick_threshold
from sweep.gallery.printing import print_lines, print_object, threshold_text


def act(request: Request) -> int:
    """Print the score of two images and whether it reaches the threshold; no gallery is needed.

    Raises:
        DataError: a broken image, or no int8 network.
        UsageError: a flag is missing, or it is not two images.
    """
    need_images(request, 2, 2)
    network = open_network(request)
    threshold = pick_threshold(request, network.thresholds, "--model")
    first, second = fingerprints(request, network, network.preparation)
    score = compare(first, second, network.model.zero_point)
    same, margin = score >= threshold.fixed, (score - threshold.fixed) / ONE
    warnings = warnings_of(request, network)
    if request.flags.json:
        print_object(
            {
                "images": list(request.images),
                "same": same,
                "score": score / ONE,
                "score_q30": score,
                "margin": margin,
                "threshold": threshold.threshold,
                "target_far": threshold.far,
                "warnings": list(warnings),
            }
        )
        return 0
    verdict = "one person" if same else "two people"
    one, other = (printable(name) for name in request.images)
    print_lines(
        [
            f"{one} and {other}: {verdict}, score {score / ONE:.4f}, {margin:+.4f} to the threshold",
            f"threshold {threshold_text(threshold)}",
            *(f"warning: {warning}" for warning in warnings),
        ]
    )
    return 0
