"""The oracle: slow float64 rewrites of the methods from their papers, and values worked out by hand.

Nothing here imports the package under test.
"""
