"""Did the adapter learn its rows rather than their kind? Measured on rows of the training data, always against the base.

Names load on first use: suites are imported at pytest collection and must not bring numpy.
"""

import lazy_loader

from harness.moved import moved

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = moved(__name__, {"recited": "harness.checks.overfitting:verbatim_recall"}, otherwise=_load)
