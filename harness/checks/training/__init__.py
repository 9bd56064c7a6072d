"""Does the log show a healthy training? Numbers out of it, each a gate with the remedy for its usual cause.

Names load on first use: suites are imported at pytest collection and must not bring numpy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
