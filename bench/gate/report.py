"""A gate's report as Markdown for people and as JUnit XML for continuous integration."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

from msgspec.structs import astuple, replace
from tabulate import tabulate

from bench.gate import GRAVITY, GateReport, Judgement, Verdict
from bench.results.coordinates import table_of
from bench.results.redact import redact_text
from bench.text.clean import line, markdown

SIGN = {"worse": "**worse**", "improved": "**improved**"}
NOTHING = "–"
KINDS = {"score": "", "imputation": "imputation ", "calibration": "calibration ", "cost": "cost "}


def to_markdown(report: GateReport) -> str:
    """A headline, a table with one line per quantity of each method, worst first, and the notes;
    ends with a newline.
    """
    tables = {table_of(j.method) for j in report.judgements}
    several = len({replace(t, task="") for t in tables}) > 1 or len({t.task for t in tables if t.task}) > 1
    body = []
    for j in report.judgements:
        row = [
            SIGN.get(j.verdict, j.verdict),
            *[markdown(j.method.title)] * several,
            *map(markdown, (j.method.imputer, j.method.fuser or NOTHING, _quantity(j))),
        ]
        row += _numbers_of(j)
        row += [markdown(", ".join(map(str, j.seeds))) or NOTHING, markdown(redact_text(j.reason))]
        body.append(row)
    header = ["verdict", *["table"] * several, "imputer", "fuser", "quantity", "baseline", "new", "difference"]
    grid = tabulate(body, [*header, "noise floor", "seeds", "why"], tablefmt="github", disable_numparse=True)
    costs = NOTHING if report.cost_tolerance is None else f"{report.cost_tolerance:g}"
    settings = [
        f"Level {report.alpha:g} per method, tolerance {report.tolerance:g}"
        + (
            f", of costs {costs} of the baseline's." if report.cost_tolerance is not None else "; costs are not judged."
        ),
        "A method's level is shared by its quantities. A line without a fuser is an imputation, which all fusers share.",
    ]
    parts = [f"# Gate of {markdown(report.suite)}: {report.verdict}", f"{_counted(report)} {' '.join(settings)}", grid]
    return "\n\n".join([*parts, *(f"- {markdown(redact_text(note))}" for note in report.notes)]) + "\n"


def _counted(report: GateReport) -> str:
    def several(verdicts: list[Verdict]) -> str:
        counted = Counter(verdicts)
        return ", ".join(f"{counted[verdict]} {verdict}" for verdict in GRAVITY if counted[verdict])

    methods = several([m.verdict for m in report.methods if m.method.task])
    imputations = several([m.verdict for m in report.methods if not m.method.task])
    return f"Methods: {methods or NOTHING}." + (f" Imputations: {imputations}." if imputations else "")


def _quantity(j: Judgement) -> str:
    return f"{KINDS[j.kind]}{j.metric}" if j.metric else NOTHING


def _numbers_of(j: Judgement) -> list[str]:
    """Baseline, new, difference and noise floor, as text."""
    signs = ((j.baseline, ""), (j.new, ""), (j.difference, "+"), (j.noise_floor, ""))
    return [_number(value, sign, j.kind == "cost") for value, sign in signs]


def _number(value: float | None, sign: str, cost: bool) -> str:
    """Four decimals; of a cost, which has a unit and may be of any size, four digits that count."""
    if value is None:
        return NOTHING
    return (
        f"{value:{sign}.4f}"
        if (not cost or value == 0 or abs(value) >= 1) and abs(value) < 1e5
        else f"{value:{sign}.4g}"
    )


def to_junit(report: GateReport) -> bytes:
    """JUnit XML: one test case per quantity of each method. worse is a failure, not-comparable
    an error, inconclusive skipped.
    """
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
        place = ".".join(part.replace(".", "_") for part in astuple(table_of(j.method)) if part)
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=line(f"{report.suite}.{place}"),
            name=line(f"{j.method.name}: {_quantity(j)}"),
        )
        reason = line(redact_text(j.reason))
        kind = {"worse": "failure", "not-comparable": "error", "inconclusive": "skipped"}.get(j.verdict)
        if kind:
            ElementTree.SubElement(case, kind, message=reason, type=j.verdict).text = _numbers(j)
        else:
            ElementTree.SubElement(case, "system-out").text = f"{j.verdict}: {reason}\n{_numbers(j)}"
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _numbers(j: Judgement) -> str:
    baseline, new, difference, floor = _numbers_of(j)
    return line(
        f"{_quantity(j)}: baseline {baseline}, new {new}, difference {difference}, noise floor {floor}, "
        f"seeds {', '.join(map(str, j.seeds)) or NOTHING}"
    )
