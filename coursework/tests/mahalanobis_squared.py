"""Tests of the exercise `mahalanobis_squared`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "mahalanobis_squared",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "The mean is at distance 0.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> train = np.random.default_rng(0).normal(2, 1, (40, 3))
>>> bool(np.allclose(mahalanobis_squared(train, train.mean(axis=0)[None], 0.1), 0))
True
""",
                },
                {
                    "failure_message": "Without shrinkage, training rows have on average as many as there are features.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> train = np.random.default_rng(0).normal(2, 5, (40, 3))
>>> bool(np.allclose(mahalanobis_squared(train, train, 0.0).mean(), 3))
True
""",
                },
                {
                    "failure_message": "With more features than rows it is finite and positive, thanks to the shrinkage.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> train = np.random.default_rng(0).normal(2, 1, (4, 9))
>>> d = mahalanobis_squared(train, train + 1, 0.5)
>>> bool(np.isfinite(d).all() and (d > 0).all() and d.max() < 1000)
True
""",
                },
                {
                    "failure_message": "The numbers.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> train = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0], [4.0, 2.0]])
>>> np.round(mahalanobis_squared(train, np.array([[4.0, 1.0], [2.0, 2.0]]), 0.0), 6).tolist()
[1.0, 1.0]
>>> np.round(mahalanobis_squared(train, np.array([[2.0, 3.0]]), 1.0), 6).tolist()
[1.6]
""",
                },
            ],
        }
    ],
}
