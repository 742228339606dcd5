"""Parameters of the scenarios: a module each, so that an edit of one runs no other scenario
again.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""A share of something, ends included."""
