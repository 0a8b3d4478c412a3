"""Coursework from the book's own sources: exercises, their tests, and two editions of the notebooks.

The exercises stand in the chapters; the code of their solutions in `coursework/solutions`, where the tests run it and
from where the chapters show it. Tests in otter-grader's format check the "implement" exercises (`grading`). `editions`
makes notebooks of it all: for students without a word of the solutions, for instructors with them.

    python -m diffad.coursework student       # _build/student and a zip beside it
    python -m diffad.coursework instructor    # _build/instructor and a zip beside it
    python -m diffad.coursework grade FILES   # points of handed-in notebooks, hidden tests included
"""
