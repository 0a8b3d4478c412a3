"""Typical wrong answers to the exercise `equal_compute_updates`: its tests must reject each of them."""


def batches_forgotten(operations, batch_size, num_updates, other_operations, other_batch_size):
    return operations * num_updates // other_operations


def ratio_the_wrong_way_round(operations, batch_size, num_updates, other_operations, other_batch_size):
    return num_updates * other_operations * other_batch_size // (operations * batch_size)


def equal_images(operations, batch_size, num_updates, other_operations, other_batch_size):
    return batch_size * num_updates // other_batch_size


def rounded_beyond_the_budget(operations, batch_size, num_updates, other_operations, other_batch_size):
    return -(-operations * batch_size * num_updates // (other_operations * other_batch_size))
