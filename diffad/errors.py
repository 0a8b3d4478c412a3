"""Errors that a user can mend.

Each carries one sentence: what came, and what is allowed. The command line prints that sentence and exits with code 2.
"""


class DiffadError(ValueError):
    """Base of every error that bad input can cause."""


class DataNotFound(DiffadError):
    """A data set is not in the data home; the message names the command that fetches it."""


class DataCorrupted(DiffadError):
    """A data file is there but truncated, altered or of another format; the message names the file."""


class CheckpointError(DiffadError):
    """A checkpoint folder is incomplete, altered, or of another program or architecture."""


class RecordError(DiffadError):
    """A run record is incomplete, edited by hand, or already claimed by another run."""


class OutOfMemory(DiffadError):
    """A training needs more memory than there is; the message says what to make smaller."""
