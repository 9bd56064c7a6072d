"""Writes the reference out of the code, whenever the site is built.

The pages are not committed: what is not stored cannot be out of date, and a change of an option is one file in its pull
request. `sources` alone knows where in the code things stand; `pages` lists what is written.
"""
