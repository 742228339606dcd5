"""The packages here belong to strangers: their own tests run in their own environment
(`test_third_party.py`).
"""

collect_ignore_glob = ["gapbench-*"]
