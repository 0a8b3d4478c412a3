"""Is a detector still a detector on images that are noisy, or that someone changed on purpose?

noise           Gaussian, salt-and-pepper and JPEG noise on test images
objectives      anomaly scores as differentiable functions of the pixels
attack          projected gradient on a score within an L-infinity ball, and random noise of the same size
configuration   robustness files (YAML)
runs            such a file and a finished run become records
reading         what the records say: AUROC against strength, false alarms at a line drawn on clean images
"""
