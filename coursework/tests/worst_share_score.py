"""Tests of the exercise `worst_share_score`, in otter-grader's OK format; hidden ones stay with the instructor."""

OK_FORMAT = True

test = {
    "name": "worst_share_score",
    "points": 3,
    "suites": [
        {
            "type": "doctest",
            "scored": True,
            "setup": "",
            "teardown": "",
            "cases": [
                {
                    "failure_message": "All pixels: the mean of the image.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> maps = np.random.default_rng(0).random((3, 4, 5))
>>> bool(np.allclose(worst_share_score(maps, 1.0), maps.mean(axis=(1, 2))))
True
""",
                },
                {
                    "failure_message": "A tiny share: the worst pixel.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> maps = np.random.default_rng(0).random((3, 4, 5))
>>> bool(np.allclose(worst_share_score(maps, 0.001), maps.max(axis=(1, 2))))
True
""",
                },
                {
                    "failure_message": "What one image gets does not depend on the others.",
                    "hidden": False,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> maps = np.random.default_rng(0).random((3, 4, 5)) * np.array([1.0, 2.0, 9.0])[:, None, None]
>>> bool(np.allclose(worst_share_score(maps, 0.25)[:1], worst_share_score(maps[:1], 0.25)))
True
""",
                },
                {
                    "failure_message": "The numbers.",
                    "hidden": True,
                    "locked": False,
                    "code": r"""
>>> import numpy as np
>>> maps = np.array([[[1.0, 8.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 6.0]]])
>>> worst_share_score(maps, 0.5).tolist(), worst_share_score(maps, 0.75).round(6).tolist()
([6.0, 3.0], [4.666667, 2.0])
""",
                },
            ],
        }
    ],
}
