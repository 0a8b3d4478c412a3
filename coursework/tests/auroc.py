"""Tests of the exercise `auroc`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "auroc",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "Perfect, and perfectly wrong.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> auroc(np.array([0.0, 1.0]), np.array([2.0, 3.0])), auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0]))
(1.0, 0.0)
""",
                },
                {
                    "failure_message": "A score that is constant is chance.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> auroc(np.ones(4), np.ones(6))
0.5
""",
                },
                {
                    "failure_message": "Counted by hand.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> auroc(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0]))
0.75
""",
                },
            ],
        }
    ],
}
