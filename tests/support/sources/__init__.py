"""The files of five source systems, as their code writes them, with networks of our own.

One module a system. Its ``write`` makes a folder and returns what is in it, with the numbers that
the system's own preprocessing gives: the oracle for ours.
"""
