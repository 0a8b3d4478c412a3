"""Tests of the exercise `two_sided_score`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "two_sided_score",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "A typical image scores 0.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> normal = np.exp(np.array([[0.0, 1.0], [2.0, 5.0]]))
>>> bool(np.allclose(two_sided_score(normal, np.exp(np.array([[1.0, 3.0]]))), 0))
True
""",
                },
                {
                    "failure_message": "Half the error is as unusual as twice the error.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> normal = np.exp(np.random.default_rng(0).normal(0, 0.1, (200, 3)))
>>> half, twice = two_sided_score(normal, np.array([[0.5] * 3, [2.0] * 3]))
>>> bool(half > 5 and abs(half / twice - 1) < 0.1)
True
""",
                },
                {
                    "failure_message": "One unusual level is enough.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> normal = np.exp(np.random.default_rng(0).normal(0, 0.1, (200, 3)))
>>> bool(two_sided_score(normal, np.array([[1.0, 1.0, 2.0]]))[0] > 5)
True
""",
                },
                {
                    "failure_message": "The numbers.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> normal = np.exp(np.array([[-1.0, 0.0], [1.0, 4.0], [0.0, 2.0]]))
>>> errors = np.exp(np.array([[2.0, 2.0], [0.0, -4.0]]))
>>> np.round(two_sided_score(normal, errors), 6).tolist()
[2.0, 3.0]
""",
                },
            ],
        }
    ],
}
