"""A third-party package whose plugin module fails to import."""
