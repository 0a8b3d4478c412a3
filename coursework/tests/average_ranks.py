"""Tests of the exercise `average_ranks`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "average_ranks",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "The best is number 1.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> average_ranks(np.array([[0.9, 0.5, 0.7]])).tolist()
[1.0, 3.0, 2.0]
""",
                },
                {
                    "failure_message": "Ranks within a task, then the mean over tasks.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> average_ranks(np.array([[0.9, 0.8], [0.3, 0.2], [0.5, 0.6], [0.7, 0.1]])).tolist()
[1.25, 1.75]
""",
                },
                {
                    "failure_message": "An easy task has the same ranks as a hard one.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> scores = np.random.default_rng(0).random((4, 5))
>>> bool(np.allclose(average_ranks(scores), average_ranks(scores + np.arange(4)[:, None])))
True
""",
                },
                {
                    "failure_message": "Methods that tie share the mean of their ranks.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> average_ranks(np.array([[1.0, 1.0, 0.5, 0.5, 0.5]])).tolist()
[1.5, 1.5, 4.0, 4.0, 4.0]
""",
                },
            ],
        }
    ],
}
