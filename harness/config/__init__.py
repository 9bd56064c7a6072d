"""One schema of all that a person may write: assay.yaml, recipes' common part, options. Imports nothing heavy."""

from harness.config.file import FILE_NAME, Config, ConfigFile, find_config, load_config
from harness.config.profiles import BUILT_IN_PROFILES, Inconclusive, Profile
from harness.config.sections import (
    AUTO,
    DataRules,
    Forgetting,
    Integrity,
    Judging,
    Margins,
    OverfittingRules,
    Safety,
    Serving,
    TrainingRules,
)

__all__ = [
    "AUTO",
    "BUILT_IN_PROFILES",
    "FILE_NAME",
    "Config",
    "ConfigFile",
    "DataRules",
    "Forgetting",
    "Inconclusive",
    "Integrity",
    "Judging",
    "Margins",
    "OverfittingRules",
    "Profile",
    "Safety",
    "Serving",
    "TrainingRules",
    "find_config",
    "load_config",
]
