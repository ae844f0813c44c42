"""Training of rectifier classifiers with an L1 penalty, which makes units stable."""

from leo_opt.training.samples import Samples, download_mnist, load_digits, load_samples
from leo_opt.training.stack import Setting, Stack

__all__ = ["Samples", "Setting", "Stack", "download_mnist", "load_digits", "load_samples"]
