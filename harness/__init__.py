"""adapter-assay: decides whether a fine-tuned adapter may be released."""

import os

from harness.moved import moved

__version__ = "0.1.0"

# Before torch loads its OpenMP: by default waiting threads spin, and where other work wants the cores, each of the thousands of
# small operations of a generated token waits for a thread that does not run. Measured at a load of 8 on two cores: 145 to 229 s
# spinning, 14 to 16 s sleeping. On a machine of its own there is no difference to speak of.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

__getattr__ = moved(__name__, {name: f"harness.checks.{name}" for name in ("data", "integrity", "overfitting")})
