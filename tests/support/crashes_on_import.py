"""A component module that fails to import."""

raise ImportError("libgap.so.1: cannot open shared object file")
