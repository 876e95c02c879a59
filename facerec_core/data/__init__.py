"""Faces: the records and the seam; `facerec_core.data.loader` opens a source and delivers its splits."""

from facerec_core.data.records import FaceData, FaceSet, Pairs
from facerec_core.data.source import FaceSource, ImageRef, PairRef, SourceIndex

__all__ = ["FaceData", "FaceSet", "FaceSource", "ImageRef", "PairRef", "Pairs", "SourceIndex"]
