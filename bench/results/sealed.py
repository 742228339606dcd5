"""JSON documents under a checksum of their own bytes: one changed byte anywhere, and the document
is refused.

    {"sha256":"<64 digits>","record":<the JSON>}

Only these exact bytes are accepted, not what any parser would take for the same: else a changed
space would go unnoticed.
"""

from __future__ import annotations

import hashlib
import re

_WHOLE = re.compile(rb'\{"sha256":"([0-9a-f]{64})","record":(.*)\}\n', re.DOTALL)


def seal(body: bytes) -> bytes:
    """The document of a JSON text."""
    return b'{"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'","record":' + body + b"}\n"


def unseal(content: bytes) -> bytes:
    """The JSON text of a document. Raises ValueError when it is not, byte by byte, what `seal`
    made.
    """
    whole = _WHOLE.fullmatch(content)
    if not whole:
        raise ValueError("it is not a whole document with a checksum")
    digest, body = whole.groups()
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError("its checksum does not match")
    return body
