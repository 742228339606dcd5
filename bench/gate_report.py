"""A gate's report as Markdown for people and as JUnit XML for continuous integration."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

from tabulate import tabulate

from bench.clean import line, markdown
from bench.gate import GRAVITY, GateReport, Judgement
from bench.leaderboard.redact import redact_text

SIGN = {"worse": "**worse**", "improved": "**improved**"}
NOTHING = "–"


def to_markdown(report: GateReport) -> str:
    """A headline, a table with one line per method, worst first, and the notes; ends with a newline."""
    counted = Counter(j.verdict for j in report.judgements)
    found = ", ".join(f"{counted[verdict]} {verdict}" for verdict in GRAVITY if counted[verdict])
    several = len({(j.method.task, j.method.modalities, j.method.scenario) for j in report.judgements}) > 1
    body = []
    for j in report.judgements:
        place = [markdown(f"{j.method.task} · {j.method.modalities} · {j.method.scenario}")] * several
        row = [
            SIGN.get(j.verdict, j.verdict),
            *place,
            *map(markdown, (j.method.imputer, j.method.fuser, j.metric or NOTHING)),
        ]
        row += [_number(j.baseline), _number(j.new), _number(j.difference, "+"), _number(j.noise_floor)]
        row += [", ".join(map(str, j.seeds)) or NOTHING, markdown(redact_text(j.reason))]
        body.append(row)
    header = ["verdict", *["table"] * several, "imputer", "fuser", "metric", "baseline", "new", "difference"]
    grid = tabulate(body, [*header, "noise floor", "seeds", "why"], tablefmt="github", disable_numparse=True)
    settings = f"Level {report.alpha:g} per method, tolerance {report.tolerance:g}."
    parts = [f"# Gate of {markdown(report.suite)}: {report.verdict}", f"{found}. {settings}", grid]
    return "\n\n".join([*parts, *(f"- {markdown(note)}" for note in report.notes)]) + "\n"


def _number(value: float | None, sign: str = "") -> str:
    return NOTHING if value is None else f"{value:{sign}.4f}"


def to_junit(report: GateReport) -> bytes:
    """JUnit XML: one test case per method. worse is a failure, not-comparable an error, inconclusive is skipped."""
    counted = Counter(j.verdict for j in report.judgements)
    suite = ElementTree.Element(
        "testsuite",
        name=line(f"bench gate {report.suite}"),
        tests=str(len(report.judgements)),
        failures=str(counted["worse"]),
        errors=str(counted["not-comparable"]),
        skipped=str(counted["inconclusive"]),
    )
    for j in report.judgements:
        place = ".".join(
            line(part).replace(".", "_") for part in (j.method.task, j.method.modalities, j.method.scenario)
        )
        name = line(f"{j.method.imputer} + {j.method.fuser}")
        case = ElementTree.SubElement(suite, "testcase", classname=f"{line(report.suite)}.{place}", name=name)
        kind = {"worse": "failure", "not-comparable": "error", "inconclusive": "skipped"}.get(j.verdict)
        if kind:
            ElementTree.SubElement(case, kind, message=line(redact_text(j.reason)), type=j.verdict).text = _numbers(j)
        else:
            ElementTree.SubElement(case, "system-out").text = f"{j.verdict}: {line(j.reason)}\n{_numbers(j)}"
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _numbers(j: Judgement) -> str:
    return (
        f"{line(j.metric)}: baseline {_number(j.baseline)}, new {_number(j.new)}, difference {_number(j.difference, '+')}, "
        f"noise floor {_number(j.noise_floor)}, seeds {', '.join(map(str, j.seeds)) or NOTHING}"
    )
