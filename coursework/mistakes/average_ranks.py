"""Typical wrong answers to the exercise `average_ranks`: its tests must reject each of them."""


def worst_is_first(scores):
    mine, theirs = scores[:, :, None], scores[:, None, :]
    worse, tied = (theirs < mine).sum(axis=2), (theirs == mine).sum(axis=2) - 1
    return (1 + worse + tied / 2).mean(axis=0)


def ties_broken_by_place(scores):
    return (1 + (-scores).argsort(axis=1, kind="stable").argsort(axis=1)).mean(axis=0)


def ties_all_get_the_best(scores):
    return (1 + (scores[:, None, :] > scores[:, :, None]).sum(axis=2)).mean(axis=0)


def tasks_ranked_for_each_method(scores):
    return (1 + (-scores).argsort(axis=0).argsort(axis=0)).mean(axis=0)


def order_taken_for_ranks(scores):
    return (1 + (-scores).argsort(axis=1)).mean(axis=0)


def rank_of_the_mean_score(scores):
    return 1.0 + (-scores.mean(axis=0)).argsort().argsort()
