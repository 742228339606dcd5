"""gapbench: a benchmark harness for incomplete multimodal time series.

Importing this package is cheap: nothing heavier than the standard library is loaded here.
"""

__version__ = "0.1.0"

CONTRACT = 1
"""Version of the plugin contract. A plugin states the version it was written for as
`bench_contract`.
"""

NUMERICS = 3
"""Version of the harness's own arithmetic. Raised by hand whenever a change may alter a number;
part of every stage key.
"""
