"""Does the server answer as the candidate that was measured here? Asked for next tokens, where base and candidate differ most.

Names load on first use: suites are imported at pytest collection and must not bring numpy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
