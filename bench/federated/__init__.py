"""Rounds of a federation, run in one process: who is asked, what is merged, what is kept."""
