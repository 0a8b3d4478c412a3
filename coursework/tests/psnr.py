"""Tests of the exercise `psnr`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "psnr",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "White for black has 0 dB.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bool(np.allclose(psnr(np.ones((1, 4, 4)), -np.ones((1, 4, 4))), 0))
True
""",
                },
                {
                    "failure_message": "A hundredth of the range everywhere: 40 dB.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bool(np.allclose(psnr(np.zeros((2, 3, 3)), np.full((2, 3, 3), 0.02)), [40, 40]))
True
""",
                },
                {
                    "failure_message": "Each image by itself.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> rebuilt = np.array([[[0.02, 0.02]], [[0.2, 0.2]]])
>>> psnr(np.zeros((2, 1, 2)), rebuilt).round(6).tolist()
[40.0, 20.0]
""",
                },
                {
                    "failure_message": "The logarithm of a mean, in colour too.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> rebuilt = np.zeros((1, 3, 2, 2))
>>> rebuilt[0, 1] = 0.5
>>> psnr(np.zeros((1, 3, 2, 2)), rebuilt).round(3).tolist()
[16.812]
""",
                },
            ],
        }
    ],
}
