"""Scorers of answers: did the model refuse, comply, or break down; how toxic is a text?"""

from harness.moved import moved

__getattr__ = moved(__name__, {"Guard": "harness.checks.safety:Guard"})
