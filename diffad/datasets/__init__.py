"""Data sets: where they lie, how they are read, corrupted and split.

The rest of `diffad` calls `load` for labelled images and a function of `protocols` for a split without leaks.
"""

from diffad.datasets.home import data_home
from diffad.datasets.imageset import ImageSet
from diffad.datasets.loading import is_available, load
from diffad.datasets.split import Split, TestLabels

__all__ = ["ImageSet", "Split", "TestLabels", "data_home", "is_available", "load"]
