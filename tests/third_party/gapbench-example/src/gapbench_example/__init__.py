"""A third-party package for gapbench: the imputer `decay`, the fuser `centroid`, the federation
`evenly` and the suite `example12`.
"""
