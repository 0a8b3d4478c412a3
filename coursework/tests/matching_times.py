"""Tests of the exercise `matching_times`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "matching_times",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "A log-SNR of the schedule itself is found where it stands.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> log_snr = np.array([np.inf, 4.0, 2.0, 0.0, -2.0, -4.0])
>>> matching_times(log_snr, log_snr[1:]).tolist()
[1, 2, 3, 4, 5]
""",
                },
                {
                    "failure_message": "The order is that of what is wanted.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> log_snr = np.array([np.inf, 4.0, 2.0, 0.0, -2.0, -4.0])
>>> matching_times(log_snr, np.array([-2.0, 4.0, 0.0])).tolist()
[4, 1, 3]
""",
                },
                {
                    "failure_message": "Beyond both ends: the first and the last time.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> log_snr = np.array([np.inf, 4.0, 2.0, 0.0, -2.0, -4.0])
>>> matching_times(log_snr, np.array([50.0, -50.0])).tolist()
[1, 5]
""",
                },
                {
                    "failure_message": "Near means near in the logarithm.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> log_snr = np.array([np.inf, 4.0, 2.0, 0.0, -2.0, -4.0])
>>> matching_times(log_snr, np.array([3.1, 2.9, -0.9, -1.1])).tolist()
[1, 2, 3, 4]
""",
                },
            ],
        }
    ],
}
