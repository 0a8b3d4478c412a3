"""Data sets: where they lie, how they are fetched, read, corrupted and split.

The rest of `diffad` calls `load` or `load_vectors` for labelled items and a function of `protocols` or
`vector_protocols` for a split without leaks.
"""

from diffad.datasets.catalog import CATALOG, Entry, find_entry
from diffad.datasets.home import data_home
from diffad.datasets.imageset import ImageSet, VectorSet
from diffad.datasets.loading import (
    available_items,
    available_parts,
    content_fingerprint,
    is_available,
    load,
    load_vectors,
)
from diffad.datasets.split import Split, TestLabels

__all__ = [
    "CATALOG",
    "Entry",
    "ImageSet",
    "Split",
    "TestLabels",
    "VectorSet",
    "available_items",
    "available_parts",
    "content_fingerprint",
    "data_home",
    "find_entry",
    "is_available",
    "load",
    "load_vectors",
]
