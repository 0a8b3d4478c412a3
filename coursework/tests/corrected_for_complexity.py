"""Tests of the exercise `corrected_for_complexity`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "corrected_for_complexity",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "A normal image on the line scores 0.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bits = np.array([1.0, 2.0, 4.0])
>>> bool(np.allclose(corrected_for_complexity(3 + 2 * bits, bits, 3 + 2 * bits, bits), 0))
True
""",
                },
                {
                    "failure_message": "More error than its complexity explains is anomalous.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bits = np.array([1.0, 2.0, 4.0])
>>> bool(np.allclose(corrected_for_complexity(3 + 2 * bits, bits, np.array([10.0]), np.array([3.0])), 1.0))
True
""",
                },
                {
                    "failure_message": "What one image gets does not depend on the others that are scored.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bits, other = np.array([1.0, 2.0, 4.0]), np.array([2.0, 9.0])
>>> scores = corrected_for_complexity(3 + 2 * bits, bits, np.array([9.0, 0.0]), other)
>>> bool(np.allclose(scores[:1], corrected_for_complexity(3 + 2 * bits, bits, np.array([9.0]), other[:1])))
True
""",
                },
                {
                    "failure_message": "The numbers.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> bits = np.array([0.0, 1.0, 2.0])
>>> bool(np.allclose(corrected_for_complexity(np.array([1.0, 3.0, 2.0]), bits, np.array([0.0]), np.array([4.0])), -3.5))
True
""",
                },
            ],
        }
    ],
}
