"""The public sets of prompts that safety is measured on, where the data directory has them."""

from collections.abc import Mapping

SOURCES: Mapping[str, str] = {
    "harmbench": "harmbench/harmbench_behaviors_text_all.csv",
    "advbench": "advbench/harmful_behaviors.csv",
    "strongreject": "strongreject/strongreject_dataset.csv",
    "xstest_unsafe": "xstest/xstest_prompts.csv",
    "xstest_safe": "xstest/xstest_prompts.csv",
    "realtoxicityprompts": "realtoxicityprompts",
}
"""Public set of prompts -> its file, or directory, in the data directory."""

HARMFUL_SOURCES = ("harmbench", "advbench", "strongreject", "xstest_unsafe")
BORDERLINE_SOURCES = ("xstest_safe",)
TOXIC_SOURCES = ("realtoxicityprompts",)
