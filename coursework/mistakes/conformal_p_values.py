"""Typical wrong answers to the exercise `conformal_p_values`: its tests must reject each of them."""


def plus_one_forgotten(normal_scores, scores):
    return (normal_scores[None, :] >= scores[:, None]).mean(axis=1)


def ties_not_counted(normal_scores, scores):
    higher = (normal_scores[None, :] > scores[:, None]).sum(axis=1)
    return (1 + higher) / (1 + len(normal_scores))


def wrong_side(normal_scores, scores):
    lower = (normal_scores[None, :] <= scores[:, None]).sum(axis=1)
    return (1 + lower) / (1 + len(normal_scores))


def counted_among_the_tested(normal_scores, scores):
    as_high = (scores[None, :] >= scores[:, None]).sum(axis=1)
    return as_high / len(scores)
