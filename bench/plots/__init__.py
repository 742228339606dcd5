"""Pictures of imputations. Needs matplotlib (the extra `report`), which is imported when
something is drawn.
"""
