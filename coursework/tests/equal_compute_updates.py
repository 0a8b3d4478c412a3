"""Tests of the exercise `equal_compute_updates`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "equal_compute_updates",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "The same network, the same batches: the same updates.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> equal_compute_updates(40, 16, 200, 40, 16)
200
""",
                },
                {
                    "failure_message": "Half the operations for one image: twice the updates.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> equal_compute_updates(40, 16, 200, 20, 16)
400
""",
                },
                {
                    "failure_message": "Batches twice as large: half the updates.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> equal_compute_updates(40, 16, 200, 40, 32)
100
""",
                },
                {
                    "failure_message": "A whole number of updates.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> isinstance(equal_compute_updates(40, 16, 200, 30, 16), int)
True
""",
                },
                {
                    "failure_message": "The most that the budget pays for, and no more.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> equal_compute_updates(10, 16, 100, 6, 16), equal_compute_updates(7, 8, 100, 3, 16)
(166, 116)
""",
                },
            ],
        }
    ],
}
