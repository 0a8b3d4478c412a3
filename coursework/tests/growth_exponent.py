"""Tests of the exercise `growth_exponent`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "growth_exponent",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "A square is a square.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> n = np.array([10.0, 20.0, 40.0, 80.0])
>>> bool(np.allclose(growth_exponent(n, 3 * n**2), 2))
True
""",
                },
                {
                    "failure_message": "The unit of the costs does not matter.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> n, costs = np.array([1.0, 10.0, 30.0, 90.0]), np.array([2.0, 5.0, 9.0, 40.0])
>>> bool(np.allclose(growth_exponent(n, costs), growth_exponent(n, 1000 * costs)))
True
""",
                },
                {
                    "failure_message": "The flat part at small sizes does not count.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> n = np.array([1.0, 2.0, 100.0, 200.0])
>>> bool(np.allclose(growth_exponent(n, np.maximum(n, 50)), 1))
True
""",
                },
                {
                    "failure_message": "The one in the middle belongs to the larger half, and all of these count.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> n, costs = np.exp([0.0, 1.0, 2.0, 3.0, 4.0]), np.exp([9.0, 9.0, 0.0, 3.0, 3.0])
>>> bool(np.allclose(growth_exponent(n, costs), 1.5))
True
>>> n, costs = np.exp([0.0, 1.0, 2.0, 3.0, 5.0]), np.exp([9.0, 9.0, 0.0, 0.0, 3.0])
>>> bool(np.allclose(growth_exponent(n, costs), 15 / 14))
True
""",
                },
            ],
        }
    ],
}
