"""Tests of the exercise `conformal_p_values`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "conformal_p_values",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "Beyond all normals it is as small as it can be, and not 0.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> conformal_p_values(np.arange(19.0), np.array([100.0])).tolist()
[0.05]
""",
                },
                {
                    "failure_message": "Below all normals it is 1.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> conformal_p_values(np.arange(19.0), np.array([-1.0])).tolist()
[1.0]
""",
                },
                {
                    "failure_message": "New normals get 5 % or less in about 5 % of cases.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> p = conformal_p_values(rng.standard_normal(999), rng.standard_normal(4000))
>>> bool(abs((p <= 0.05).mean() - 0.05) < 0.02)
True
""",
                },
                {
                    "failure_message": "A tie counts as just as high.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> conformal_p_values(np.array([1.0, 2.0, 2.0, 3.0]), np.array([2.0])).tolist()
[0.8]
""",
                },
            ],
        }
    ],
}
