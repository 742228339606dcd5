"""Federations: averaging, proximal, normalised, and servers with adaptive steps."""
