"""Node packs whose browser half changes what is sent: what each does, as data and small functions.

A module here is one pack, or the few that need no code; `packs/builtin.py` lists them. CONTRIBUTING.md says
how to add one.
"""
