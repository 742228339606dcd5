"""Fails to import, as a plugin does whose native library is missing."""

raise ImportError("libgap.so.1: cannot open shared object file")
