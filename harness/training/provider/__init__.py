"""Training by a provider's fine-tuning API: rows to files, files to a job, the job to a served candidate."""

from harness.training.provider.files import sent_files
from harness.training.provider.tuning import TunedModel, Tuning, cancel, is_tuned, shown_rows, tune

__all__ = ["TunedModel", "Tuning", "cancel", "is_tuned", "sent_files", "shown_rows", "tune"]
