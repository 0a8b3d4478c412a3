"""The data home: the one folder that every reader looks in.

A release that was downloaded and one that was put there by hand lie in the same place and are read by the
same code.
"""

import os
from pathlib import Path

import platformdirs


def data_home() -> Path:
    """Return the folder that holds the data sets: ``DIFFAD_DATA``, or the platform's cache folder for diffad.

    The folder need not exist yet; nothing is created here.
    """
    chosen = os.environ.get("DIFFAD_DATA", "").strip()
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("diffad"))
