"""People as one more judge: a blind page out of a stored run, and their answers read back into numbers."""
