"""Tests of the exercise `permutation_share`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "permutation_share",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "A setting that the prediction makes no use of has no share.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> settings = np.array([[1.0, 5.0], [2.0, 3.0], [4.0, 9.0], [7.0, 1.0]])
>>> results = np.array([1.0, 3.0, 4.0, 6.0])
>>> permutation_share(lambda rows: rows[:, 0], settings, results, 1, np.array([3, 2, 1, 0]))
0.0
""",
                },
                {
                    "failure_message": "In its own order nothing is shuffled.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> settings = np.array([[1.0], [2.0], [4.0]])
>>> permutation_share(lambda rows: rows[:, 0], settings, np.array([2.0, 2.0, 5.0]), 0, np.arange(3))
0.0
""",
                },
                {
                    "failure_message": "A setting that decides everything has all of it.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> settings = rng.standard_normal((4000, 2))
>>> share = permutation_share(lambda rows: rows[:, 1], settings, settings[:, 1], 1, rng.permutation(4000))
>>> bool(abs(share - 1) < 0.05)
True
""",
                },
                {
                    "failure_message": "The settings stay as they were.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> settings = np.array([[1.0], [2.0], [4.0]])
>>> _ = permutation_share(lambda rows: rows[:, 0], settings, np.array([2.0, 2.0, 5.0]), 0, np.array([2, 1, 0]))
>>> settings.ravel().tolist()
[1.0, 2.0, 4.0]
""",
                },
                {
                    "failure_message": "The numbers.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> settings, results = np.array([[0.0], [2.0], [4.0], [6.0]]), np.array([1.0, 2.0, 4.0, 5.0])
>>> share = permutation_share(lambda rows: rows[:, 0], settings, results, 0, np.array([1, 0, 2, 3]))
>>> round(share, 6)
0.2
""",
                },
            ],
        }
    ],
}
