"""Tests of the exercise `patchify`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "patchify",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "The shape.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> patchify(np.zeros((2, 3, 8, 12)), 4).shape
(2, 6, 48)
""",
                },
                {
                    "failure_message": "The first token is the upper left patch.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> image = np.arange(16).reshape(1, 1, 4, 4)
>>> patchify(image, 2)[0, 0].tolist()
[0, 1, 4, 5]
""",
                },
                {
                    "failure_message": "The second token lies to the right of the first.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> image = np.arange(16).reshape(1, 1, 4, 4)
>>> patchify(image, 2)[0, 1].tolist()
[2, 3, 6, 7]
""",
                },
                {
                    "failure_message": "Channels one after the other in a token.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> image = np.arange(32).reshape(1, 2, 4, 4)
>>> patchify(image, 2)[0, 0].tolist()
[0, 1, 4, 5, 16, 17, 20, 21]
""",
                },
            ],
        }
    ],
}
