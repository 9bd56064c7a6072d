"""What each suite asserts: `suites/test_X.py` reads `harness.checks.X`."""
