"""Typical wrong answers to the exercise `verdict`: its tests must reject each of them."""


def _words(supports, contradicts, universal):
    if supports.all():
        return "holds"
    if contradicts.any() and (universal or not supports.any()):
        return "does not hold"
    return "holds in part" if supports.any() else "not testable here"


def only_estimates_count(lows, highs, universal):
    middle = (lows + highs) / 2
    return _words(middle > 0, middle < 0, universal)


def undecided_contradicts(lows, highs, universal):
    return _words(lows > 0, lows <= 0, universal)


def undecided_is_left_out(lows, highs, universal):
    decided = (lows > 0) | (highs < 0)
    if not decided.any():
        return "not testable here"
    return _words(lows[decided] > 0, highs[decided] < 0, universal)


def every_taken_for_most(lows, highs, universal):
    return _words(lows > 0, highs < 0, False)


def one_contradiction_is_always_enough(lows, highs, universal):
    return _words(lows > 0, highs < 0, True)
