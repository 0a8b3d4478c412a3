"""diffad: anomaly detection with diffusion models, the library behind the book."""

__version__ = "0.1.0"
