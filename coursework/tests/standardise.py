"""Tests of the exercise `standardise`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "standardise",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "Training rows have mean 0 and standard deviation 1.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> train = np.random.default_rng(0).normal(3, 5, (50, 2))
>>> rows, _ = standardise(train, train[:2])
>>> bool(np.allclose(rows.mean(axis=0), 0) and np.allclose(rows.std(axis=0), 1))
True
""",
                },
                {
                    "failure_message": "What a tested row becomes does not depend on its neighbours.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> rng = np.random.default_rng(1)
>>> train, test = rng.normal(size=(50, 2)), rng.normal(4, 1, (6, 2))
>>> bool(np.allclose(standardise(train, test)[1][:1], standardise(train, test[:1])[1]))
True
""",
                },
                {
                    "failure_message": "A constant feature leaves no NaN.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> train = np.array([[1.0, 7.0], [3.0, 7.0]])
>>> bool(np.isfinite(standardise(train, train)[0]).all())
True
""",
                },
                {
                    "failure_message": "The numbers.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> train = np.array([[1.0, 7.0], [3.0, 7.0]])
>>> standardise(train, np.array([[4.0, 9.0]]))[1].tolist()
[[2.0, 2.0]]
""",
                },
            ],
        }
    ],
}
