"""Candidate against its opponent, as a judge sees it that has proven itself."""
