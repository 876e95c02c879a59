"""The C library that matches fingerprints on the device, and a gallery as C source for it.

The library is `c/`: C99, no heap, no floating point in a match. `facerec_core/gallery/` is the same in Python.
"""

from __future__ import annotations

from pathlib import Path

LIBRARY = Path(__file__).parent / "c"
"""The folder of the sources, for builds and tests."""
SOURCES = ("facerec_score", "facerec_gallery", "facerec_match", "facerec_image")
"""Its modules, a .h and a .c each."""
ARRAY = "facerec_people"
"""The identifier of an exported gallery."""
_BYTES_A_LINE = 20


def library_files() -> dict[str, bytes]:
    """Every file of the library by its name."""
    names = ["CMakeLists.txt", *(f"{module}{suffix}" for module in SOURCES for suffix in (".h", ".c"))]
    return {name: (LIBRARY / name).read_bytes() for name in names}


def export_files(gallery: bytes) -> dict[str, bytes]:
    """The library with a gallery as the array `facerec_people`, by file name.

    Args:
        gallery: an .fpdb file, already checked.
    """
    array = {f"{ARRAY}.h": _header(len(gallery)).encode(), f"{ARRAY}.c": _array(gallery).encode()}
    return library_files() | array


def _header(size_bytes: int) -> str:
    guard = f"{ARRAY.upper()}_H"
    return f"""\
/* Biometric data: the fingerprints of people. Keep it as private as they are. */
#ifndef {guard}
#define {guard}

#include <stdint.h>

#define {ARRAY.upper()}_BYTES {size_bytes}u

#ifdef __cplusplus
extern "C" {{
#endif

extern const uint8_t {ARRAY}[{ARRAY.upper()}_BYTES];

#ifdef __cplusplus
}}
#endif

#endif
"""


def _array(content: bytes) -> str:
    lines = (content[at : at + _BYTES_A_LINE] for at in range(0, len(content), _BYTES_A_LINE))
    body = ",\n    ".join(", ".join(map(str, line)) for line in lines)
    return f'#include "{ARRAY}.h"\n\nconst uint8_t {ARRAY}[{ARRAY.upper()}_BYTES] = {{\n    {body}}};\n'
