"""Tests of the exercise `gaussian_kl`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "gaussian_kl",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "A Gaussian is as close to itself as can be.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bool(np.allclose(gaussian_kl(0.7, 2.0, 0.7, 2.0), 0))
True
""",
                },
                {
                    "failure_message": "It is never negative.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> variances = np.array([0.1, 0.5, 2.0, 9.0])
>>> bool((gaussian_kl(0.0, variances, 0.0, 1.0) > 0).all())
True
""",
                },
                {
                    "failure_message": "Means two apart, both of variance 1: 2 nats.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bool(np.allclose(gaussian_kl(0.0, 1.0, 2.0, 1.0), 2.0))
True
""",
                },
                {
                    "failure_message": "Equal means; variance 4 against 1.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bool(np.allclose(gaussian_kl(0.0, 4.0, 0.0, 1.0), 1.5 - np.log(2)))
True
""",
                },
                {
                    "failure_message": "A mean matters in units of the second variance.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bool(np.allclose(gaussian_kl(1.0, 4.0, 3.0, 4.0), 0.5))
True
""",
                },
            ],
        }
    ],
}
