"""Tests of the exercise `projected_step`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "projected_step",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "Up, by the size of the step, whatever the gradient's length.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> x = np.array([100.0, 100.0, 100.0])
>>> projected_step(x, x, np.array([0.001, -7.0, 0.0]), 2.0, 8.0).tolist()
[102.0, 98.0, 100.0]
""",
                },
                {
                    "failure_message": "No pixel leaves the ball.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> x = np.array([100.0, 100.0])
>>> projected_step(x, x, np.array([1.0, -1.0]), 20.0, 8.0).tolist()
[108.0, 92.0]
""",
                },
                {
                    "failure_message": "No pixel leaves 0 to 255.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> x = np.array([1.0, 254.0])
>>> projected_step(x, x, np.array([-1.0, 1.0]), 5.0, 8.0).tolist()
[0.0, 255.0]
""",
                },
                {
                    "failure_message": "The ball lies around the original, and not around where the search stands.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> pixels, originals = np.array([106.0, 93.0]), np.array([100.0, 100.0])
>>> projected_step(pixels, originals, np.array([1.0, -1.0]), 5.0, 8.0).tolist()
[108.0, 92.0]
""",
                },
            ],
        }
    ],
}
