"""`gallery info`: which network a gallery belongs to, and how faces are judged by it."""

from __future__ import annotations

from facerec_core.gallery.files import read_gallery
from facerec_core.gallery.layout import VERSION
from sweep.gallery import Request
from sweep.gallery.printing import print_lines, print_object, threshold_text


def act(request: Request) -> int:
    """Print everything but names and fingerprints.

    Raises:
        DataError: no gallery, or a damaged one.
    """
    gallery = read_gallery(request.gallery)
    model, preparation = gallery.model, gallery.preparation
    size_bytes = request.gallery.stat().st_size
    if request.flags.json:
        print_object(
            {
                "format_version": VERSION,
                "size_bytes": size_bytes,
                "people": len(gallery.names),
                "fingerprints": len(gallery.vectors),
                "dimension": model.dimension,
                "model_sha256": model.sha256,
                "scheme": model.scheme,
                "input_side": model.input_side,
                "output_scale": model.output_scale,
                "output_zero_point": model.zero_point,
                "image_side": preparation.image_side,
                "crop": preparation.crop,
                "method": gallery.method,
                "thresholds": [{"target_far": one.far, "threshold": one.threshold} for one in gallery.thresholds],
            }
        )
        return 0
    print_lines(
        [
            f"{len(gallery.names):,} people, {len(gallery.vectors):,} fingerprints of {model.dimension} numbers, "
            f"{size_bytes:,} bytes, format version {VERSION}",
            f"network {model.scheme or 'int8'}, {model.input_side} px, SHA-256 {model.sha256}",
            f"images decoded at {preparation.image_side} px, crop {preparation.crop:g}",
            f"a person's score is the {'best' if gallery.method == 'best' else 'mean'} of the fingerprints' scores",
            *(f"threshold {threshold_text(one)}" for one in gallery.thresholds),
        ]
    )
    return 0
