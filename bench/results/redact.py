"""What of a machine and its user does not belong into a file that is shared."""

from __future__ import annotations

import re
import shlex
from functools import lru_cache
from pathlib import PurePath

import msgspec

from bench.config.words import halves
from bench.files import is_path
from bench.results.records import Audit, Export, Record
from bench.results.shareable import shareable

PRIVATE = frozenset(
    {"slurm job", "host", "hostname", "node", "user", "username", "home", "pid", "worker"}
    | {"cwd", "path", "root", "data.root", "data_root", "out", "cache", "scratch", "executable"}
    | {"started", "finished", "ended", "time", "date", "timestamp"}
)
"""Names of provenance entries that are never exported: they name the machine, its folders, or
the hour of a run.
"""

_PATH = re.compile(
    r"""(?<![\w.:/\\~-])            # not inside a word, a URL or a longer path
    (?:~|[A-Za-z]:)?[/\\]{1,2}      # begins at a root, a home or a drive
    (?:[^\s/\\'",;:()<>|]+[/\\])+   # at least one folder
    ([^\s/\\'",;:()<>|]*)           # what it leads to
    """,
    re.VERBOSE,
)


def redact_text(text: str) -> str:
    """The folders of absolute paths become `...`: `/home/me/set-a.tar.gz` is `.../set-a.tar.gz`."""
    return _PATH.sub(r".../\1", text) if "/" in text or "\\" in text else text


@lru_cache(maxsize=1024)  # thousands of records share a command
def redact_command(command: str) -> str:
    """A command line without what names a machine: `data.root=...`, and any other absolute path
    that is a value.

    `data.root=synthetic` names no machine and stays.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return redact_text(re.sub(r"data\.root=.*", "data.root=...", command))
    if words:
        words[0] = PurePath(words[0]).name
    return " ".join(_redact_word(word) for word in words)


def _redact_word(word: str) -> str:
    key, equals, value = halves(word)
    if word == "data.root=synthetic":
        return word
    if equals and (key.lstrip("-").replace("-", ".") == "data.root" or _holds_path(value)):
        return f"{key}=..."
    return "..." if not equals and is_path(word) else shlex.quote(word)


def _holds_path(value: str) -> bool:
    """Whether a value is an absolute path, or a list or a quoted text that holds one."""
    return bool(re.search(r"""(?:^|[\s"'=,(\[{])(?:[/~\\]|[A-Za-z]:[/\\])""", value))


@lru_cache(maxsize=1024)
def is_public(name: str, value: str) -> bool:
    """Whether an entry of a record's provenance may be shared: no private name, no absolute path
    inside.
    """
    return name.lower() not in PRIVATE and not _holds_path(value) and redact_text(value) == value


def _redact_audit(audit: Audit) -> Audit:
    """The audit with `redact_text` of its detail; the same object where that changes nothing."""
    detail = redact_text(audit.detail)
    return audit if detail == audit.detail else Audit(audit.passed, detail)


def redact(export: Export) -> Export:
    """The export without names of machines, folders and hours; scores, statistics and keys stay as
    they are.

    The command keeps its words but not the value of data.root or any absolute path. Provenance
    loses the entries in `PRIVATE` and those that hold an absolute path. Reasons and details of
    audits keep only the last part of a path. Words of components, which records of earlier versions
    hold, are left out (`bench.results.shareable.shareable`). Of the date of a run the day is kept.
    Redacting twice changes nothing more.
    """
    records = [_redact_record(record) for record in export.records]
    edits = [redact_text(edit) for edit in export.edits]
    run = export.run and msgspec.structs.replace(export.run, date=export.run.day)
    command = redact_command(export.command)
    return msgspec.structs.replace(export, command=command, records=records, edits=edits, run=run)


def _redact_record(record: Record) -> Record:
    record = shareable(record)
    provenance = {}
    for name, value in record.provenance.items():
        if name == "command":
            provenance[name] = redact_command(value)
        elif is_public(name, value):
            provenance[name] = value
    return msgspec.structs.replace(
        record,
        reason=redact_text(record.reason),
        audits={name: _redact_audit(audit) for name, audit in record.audits.items()},
        provenance=provenance,
    )
