"""One schema of all that a person may write: assay.yaml, recipes' common part, options. Imports nothing heavy.

Names load on first use: every pytest session reads the options, and most have no use for the rest.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
