"""Typical wrong answers to the exercise `patchify`: its tests must reject each of them."""


def only_reshaped(images, patch):
    n, channels, height, width = images.shape
    return images.reshape(n, -1, channels * patch * patch)


def tokens_column_by_column(images, patch):
    n, channels, height, width = images.shape
    cut = images.reshape(n, channels, height // patch, patch, width // patch, patch)
    return cut.transpose(0, 4, 2, 1, 3, 5).reshape(n, -1, channels * patch * patch)


def channels_last_in_a_token(images, patch):
    n, channels, height, width = images.shape
    cut = images.reshape(n, channels, height // patch, patch, width // patch, patch)
    return cut.transpose(0, 2, 4, 3, 5, 1).reshape(n, -1, channels * patch * patch)


def rows_and_columns_of_a_patch_swapped(images, patch):
    n, channels, height, width = images.shape
    cut = images.reshape(n, channels, height // patch, patch, width // patch, patch)
    return cut.transpose(0, 2, 4, 1, 5, 3).reshape(n, -1, channels * patch * patch)
