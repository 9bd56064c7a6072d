"""One schema of all that a person may write: assay.yaml, recipes' common part, options. Imports nothing heavy."""

from harness.config.file import FILE_NAME, Config, ConfigFile, find_config, load_config
from harness.config.profiles import BUILT_IN_PROFILES, Profile
from harness.config.sections import Forgetting, Judging, Safety, Serving
from harness.config.thresholds import DataThresholds, OverfittingThresholds, Thresholds, TrainingThresholds

__all__ = [
    "BUILT_IN_PROFILES",
    "FILE_NAME",
    "Config",
    "ConfigFile",
    "DataThresholds",
    "Forgetting",
    "Judging",
    "OverfittingThresholds",
    "Profile",
    "Safety",
    "Serving",
    "Thresholds",
    "TrainingThresholds",
    "find_config",
    "load_config",
]
