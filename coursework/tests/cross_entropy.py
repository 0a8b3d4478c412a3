"""Tests of the exercise `cross_entropy`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "cross_entropy",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "Certain and right costs nothing.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bool(cross_entropy(np.array([[50.0, 0.0, 0.0]]), np.array([0])) < 1e-6)
True
""",
                },
                {
                    "failure_message": "Knowing nothing costs the logarithm of the number of classes.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bool(np.allclose(cross_entropy(np.zeros((8, 4)), np.zeros(8, dtype=int)), np.log(4)))
True
""",
                },
                {
                    "failure_message": "Large logits are no trouble.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bool(np.allclose(cross_entropy(np.array([[1000.0, 0.0]]), np.array([1])), 1000.0))
True
""",
                },
                {
                    "failure_message": "The mean over rows.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> logits = np.log(np.array([[0.5, 0.5], [0.8, 0.2]]))
>>> bool(np.allclose(cross_entropy(logits, np.array([0, 1])), -np.log(0.1) / 2))
True
""",
                },
            ],
        }
    ],
}
