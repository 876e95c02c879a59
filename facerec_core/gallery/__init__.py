"""The database of enrolled fingerprints: its records, its file format `.fpdb`, and matching in integer arithmetic.

The format is described in docs/gallery_format.md; `facerec_core/device/c/` reads the same files in C.
"""
