"""The golden vectors as C: what the self-test compares, and the pixels apart, which only the network needs."""

from __future__ import annotations

from facerec_core.export.arrays import Array, header, source
from facerec_core.export.golden import Golden, GoldenMatch

_NOBODY = "FACEREC_NOBODY"
_TYPES = """\
#include "facerec_match.h"

/* What facerec_match() has to find. */
typedef struct {
  uint32_t probe;
  facerec_method method;
  int32_t threshold;
  int known;
  uint32_t person;
  int32_t score;
  uint32_t second_person;
  int32_t second_score;
} facerec_golden_match;
"""


def golden_files(golden: Golden) -> dict[str, bytes]:
    """facerec_golden.{h,c} and facerec_golden_pixels.{h,c}, by name."""
    arrays = (
        Array("facerec_golden_levels", "The input that each pixel value becomes.", golden.levels),
        Array("facerec_golden_fingerprints", "The fingerprints of the faces.", golden.fingerprints),
        Array.of("facerec_golden_gallery", "An .fpdb file with a few people.", golden.gallery_file),
    )
    count = len(golden.probes)
    pixels = Array("facerec_golden_pixels", "The faces: RGB, row by row.", golden.probes.reshape(count, -1))
    probes = f"\n#define FACEREC_GOLDEN_PROBES {count}u\n"
    files = {
        "facerec_golden.h": header("FACEREC_GOLDEN_H", arrays, _constants(golden) + _TYPES + _tables(golden)),
        "facerec_golden.c": source("facerec_golden.h", arrays, _matches(golden) + _names(golden)),
        "facerec_golden_pixels.h": header("FACEREC_GOLDEN_PIXELS_H", (pixels,), "" if count == 0 else _guarded(probes)),
        "facerec_golden_pixels.c": source("facerec_golden_pixels.h", (pixels,)),
    }
    return {name: text.encode() for name, text in files.items()}


def _constants(golden: Golden) -> str:
    counts = {
        "MATCHES": len(golden.matches),
        "PEOPLE": len(golden.gallery.names),
        "GALLERY_BYTES": len(golden.gallery_file),
    }
    lines = "".join(f"#define FACEREC_GOLDEN_{name} {value}u\n" for name, value in counts.items())
    return _guarded(f"\n#define FACEREC_GOLDEN_PROBES {len(golden.probes)}u\n") + lines + "\n"


def _guarded(definition: str) -> str:
    """Both headers define it, so that either can be used alone."""
    return f"\n#ifndef FACEREC_GOLDEN_PROBES{definition}#endif\n"


def _tables(golden: Golden) -> str:
    return f"""
#ifdef __cplusplus
extern "C" {{
#endif
extern const facerec_golden_match facerec_golden_matches[{len(golden.matches)}];
extern const char *const facerec_golden_names[{len(golden.gallery.names)}];
#ifdef __cplusplus
}}
#endif
"""


def _matches(golden: Golden) -> str:
    rows = ",\n".join(_row(one) for one in golden.matches)
    return f"\nconst facerec_golden_match facerec_golden_matches[{len(golden.matches)}] = {{\n{rows}}};\n"


def _row(one: GoldenMatch) -> str:
    match = one.match
    person, second = (_NOBODY if at is None else f"{at}u" for at in (match.person, match.second))
    numbers = f"{one.threshold}, {int(match.known)}, {person}, {match.score}, {second}, {match.second_score}"
    return f"    {{{one.probe}u, FACEREC_{one.method.upper()}, {numbers}}}"


def _names(golden: Golden) -> str:
    """Names are made here, Person 1 and so on, and need no escaping."""
    rows = ", ".join(f'"{name}"' for name in golden.gallery.names)
    return f"\nconst char *const facerec_golden_names[{len(golden.gallery.names)}] = {{{rows}}};\n"
