"""A third-party package for gapbench: the imputer `decay`, the fuser `centroid` and the suite
`example12`.
"""
