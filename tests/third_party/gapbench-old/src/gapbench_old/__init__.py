"""A third-party package written for contract 0."""
