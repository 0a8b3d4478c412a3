"""Tests of the exercise `verdict`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "verdict",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "All above 0, and all below.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> low = np.array([0.1, 0.2])
>>> verdict(low, low + 1, False), verdict(-low - 1, -low, False)
('holds', 'does not hold')
""",
                },
                {
                    "failure_message": "No interval decides.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> verdict(np.array([-0.1, -2.0]), np.array([3.0, 0.5]), False)
'not testable here'
""",
                },
                {
                    "failure_message": "One supports, one cannot be told.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> verdict(np.array([0.1, -2.0]), np.array([3.0, 0.5]), False)
'holds in part'
""",
                },
                {
                    "failure_message": "One supports, one contradicts: it matters whether the claim says *every*.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> low, high = np.array([0.1, -2.0]), np.array([3.0, -0.5])
>>> verdict(low, high, False), verdict(low, high, True)
('holds in part', 'does not hold')
""",
                },
                {
                    "failure_message": "One contradicts, one cannot be told; and one undecided does not refute *every*.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> verdict(np.array([-2.0, -1.0]), np.array([-0.5, 3.0]), False)
'does not hold'
>>> verdict(np.array([0.1, -1.0]), np.array([3.0, 0.9]), True)
'holds in part'
""",
                },
            ],
        }
    ],
}
