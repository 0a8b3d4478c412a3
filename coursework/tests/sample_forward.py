"""Tests of the exercise `sample_forward`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "sample_forward",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "At t = 0 nothing has happened.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> x = np.array([0.3, -0.8])
>>> bool(np.allclose(sample_forward(x, 0, np.ones(2), np.full(5, 0.1)), x))
True
""",
                },
                {
                    "failure_message": "One step keeps the variance at 1.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> x, noise = rng.standard_normal(100_000), rng.standard_normal(100_000)
>>> bool(abs(sample_forward(x, 1, noise, np.array([0.36, 0.5])).var() - 1) < 0.02)
True
""",
                },
                {
                    "failure_message": "The first step uses beta_1, which is beta[0].",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bool(np.allclose(sample_forward(np.array([1.0]), 1, np.array([0.0]), np.array([0.36, 0.75])), 0.8))
True
""",
                },
                {
                    "failure_message": "Two steps in one go.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> beta = np.array([0.36, 0.75, 0.5])
>>> bool(np.allclose(sample_forward(np.array([1.0]), 2, np.array([1.0]), beta), 0.4 + np.sqrt(0.84)))
True
""",
                },
            ],
        }
    ],
}
