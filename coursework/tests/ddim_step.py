"""Tests of the exercise `ddim_step`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "ddim_step",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "To where it is: nothing moves.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> alpha_bar = np.array([1.0, 0.81, 0.36, 0.04])
>>> x, noise = np.array([0.5, -1.0]), np.array([0.2, 0.1])
>>> bool(np.allclose(ddim_step(x, noise, 2, 2, alpha_bar), x))
True
""",
                },
                {
                    "failure_message": "To time 0 with the true noise: the clean value.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> alpha_bar = np.array([1.0, 0.81, 0.36, 0.04])
>>> x_0, noise = 0.7, -1.3
>>> bool(np.allclose(ddim_step(0.6 * x_0 + 0.8 * noise, noise, 2, 0, alpha_bar), x_0))
True
""",
                },
                {
                    "failure_message": "With the true noise it stays on the forward path.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> alpha_bar = np.array([1.0, 0.81, 0.36, 0.04])
>>> x_0, noise = 0.7, -1.3
>>> bool(np.allclose(ddim_step(0.6 * x_0 + 0.8 * noise, noise, 2, 1, alpha_bar), 0.9 * x_0 + np.sqrt(0.19) * noise))
True
""",
                },
                {
                    "failure_message": "Upwards as well.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> alpha_bar = np.array([1.0, 0.81, 0.36, 0.04])
>>> x_0, noise = -0.2, 0.4
>>> bool(np.allclose(ddim_step(0.6 * x_0 + 0.8 * noise, noise, 2, 3, alpha_bar), 0.2 * x_0 + np.sqrt(0.96) * noise))
True
""",
                },
            ],
        }
    ],
}
