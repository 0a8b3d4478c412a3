"""Tests of the exercise `tally`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "tally",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "One clear win, one clear loss.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> tally(np.array([[0.10, 0.11, 0.12], [-0.10, -0.11, -0.12]]), 4.3)
(1, 0, 1)
""",
                },
                {
                    "failure_message": "Equal on every split: a tie.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> tally(np.zeros((4, 5)), 2.8)
(0, 4, 0)
""",
                },
                {
                    "failure_message": "A mean above 0 is no win where the splits disagree.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> tally(np.array([[0.3, -0.2, 0.1]]), 4.3)
(0, 1, 0)
""",
                },
                {
                    "failure_message": "Each file has its own interval.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> tally(np.array([[0.01, 0.011, 0.012], [0.5, -0.6, 0.2], [0.02, 0.021, 0.022]]), 4.3)
(2, 1, 0)
""",
                },
                {
                    "failure_message": "The standard error of a mean, with the deviation of a sample.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> tally(np.array([[1.0, 3.0]]), 1.8), tally(np.array([[1.0, 3.0]]), 2.5)
((1, 0, 0), (0, 1, 0))
""",
                },
            ],
        }
    ],
}
