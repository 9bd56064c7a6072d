"""What suites/test_judge.py asserts: the judge is fit, and finds the candidate not worse than its opponent."""
