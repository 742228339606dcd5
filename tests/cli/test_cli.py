"""The command: help, answers, and what it says to a person who mistyped. Runs in this process
wherever that is not the point.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import msgspec
import pytest

from bench.cli.main import COMMANDS, LazyGroup, cli
from bench.data.location import locate
from bench.errors import DataError
from bench.leaderboard import save_export
from support.answers import refusal
from support.asking import MARKED, SMALL
from support.fake_exports import make_export, simulated_export
from support.pages import ROOT, page

MANUAL = page("reference/commands.md")
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("leaderboards/notes/*.md")]
}


def commands(group: LazyGroup = cli, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it."""
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found += commands(command, (*path, name)) if isinstance(command, LazyGroup) else [((*path, name), command)]
    return found


def groups(group: LazyGroup = cli, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words that call each group of commands alone."""
    context = click.Context(group)
    inner = {(*path, name): group.get_command(context, name) for name in group.list_commands(context)}
    return [path, *(words for at, one in inner.items() if isinstance(one, LazyGroup) for words in groups(one, at))]


ALL = commands()
NAMES = [" ".join(path) for path, _ in ALL]


def test_help_lists_every_command(bench):
    shown = bench("--help").out
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in COMMANDS)
    assert bench("-h").out == shown


def test_the_version_is_said(bench):
    assert re.fullmatch(r"gapbench, version \d+\.\d+\.\d+\n", bench("--version").out)


@pytest.mark.parametrize(("path", "command"), ALL, ids=NAMES)
def test_every_command_has_help_with_every_option_explained(bench, path, command):
    shown = bench(*path, "--help").out
    assert re.match(rf"Usage: \S.* {' '.join(path)} ", shown)
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.opts[0] in shown


@pytest.mark.parametrize("path", groups(), ids=lambda path: " ".join(("bench", *path)))
def test_a_group_of_commands_alone_shows_its_help_as_it_is_and_ends_as_a_mistake(bench, path):
    alone = bench(*path, code=2)
    assert alone.out == ""
    assert alone.err == bench(*path, "--help").out


@pytest.mark.parametrize(("path", "command"), ALL, ids=NAMES)
def test_every_command_stands_in_the_manual_with_every_option(path, command):
    start = re.search(rf"^## `bench {' '.join(path)}`$", MANUAL, re.MULTILINE)
    assert start, "the manual lacks it"
    section = re.split(r"^##", MANUAL[start.end() :], maxsplit=1, flags=re.MULTILINE)[0]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in section


@pytest.mark.parametrize("name", sorted(PAGES))
def test_pages_name_no_command_that_does_not_exist(name):
    for first, second in re.findall(r"(?:^    |`)bench ([a-z]+)(?: +([a-z]+(?=[ `\n])))?", PAGES[name], re.MULTILINE):
        group = cli.get_command(click.Context(cli), first)
        assert group, first
        if second and isinstance(group, click.Group):
            assert group.get_command(click.Context(group), second), f"{first} {second}"


@pytest.mark.parametrize("kind", ["suites", "imputers", "fusers", "datasets", "scenarios"])
def test_lists_are_the_same_for_people_and_programs(bench, kind):
    rows = bench("list", kind, "--json").json
    assert rows
    keys = {"name", "title", "file"} if kind == "suites" else {"name", "title", "tags", "version", "plugin"}
    assert all(row.keys() == keys for row in rows)
    shown = bench("list", kind).out.splitlines()
    assert [line.split()[0] for line in shown] == [row["name"] for row in rows]
    assert bench("list", kind.removesuffix("s")).out.splitlines() == shown


def test_a_method_is_shown_with_everything_that_can_be_set(bench):
    (row,) = bench("show", "gru", "--json").json
    assert row.keys() == {
        "kind", "name", "version", "summary", "paper", "tags", "randomness", "plugin", "path", "parameters", "presets",
        "tasks", "modalities", "splits", "columns", "space", "expected_failures",
    }  # fmt: skip
    assert all(p.keys() == {"name", "default", "accepted", "description"} for p in row["parameters"])
    shown = bench("show", "gru").out
    for parameter in row["parameters"]:
        assert f"fuser.gru.{parameter['name']}={parameter['default']}" in shown


def test_presets_are_shown_with_what_each_decides(bench):
    (row,) = bench("show", "mult", "--json").json
    assert row["presets"]["trace-mosi"]["width"] == 32
    assert "    trace-mosi: width=32 heads=8" in bench("show", "mult").out


def test_a_name_that_two_kinds_share_shows_both(bench):
    assert {row["kind"] for row in bench("show", "linear", "--json").json} == {"imputer", "fuser"}
    shown = bench("show", "linear").out
    assert "imputer linear" in shown
    assert "fuser linear" in shown


def test_a_dataset_is_shown_with_its_tasks_and_modalities(bench):
    (row,) = bench("show", "physionet2012", "--json").json
    assert row["tasks"].keys() == {"ihm", "los"}
    assert "data.sets=" in bench("show", "physionet2012").out


def test_a_suite_is_shown_in_every_profile_by_name_or_by_file(bench):
    assert bench("show", "physionet48", "--json").json.keys() == {"demo", "fusers", "paper"}
    Path("small.toml").write_text(SMALL)
    assert bench("show", "small.toml", "--json").json["demo"]["grid"]["seed"] == [1, 2]
    assert "A small suite" in bench("show", "small.toml").out


def test_a_suite_that_bears_the_name_of_its_dataset_shows_the_columns_too(bench):
    assert "columns that can divide its records among clients: station" in bench("show", "beijing_air").out


def test_the_schema_of_suites_is_printed_as_it_is_shipped(bench):
    stored = Path(__file__).parents[2] / "suites" / "schema.json"
    assert bench("show", "suite-schema").out == stored.read_text()


def test_datasets_are_listed_with_where_they_are_or_how_to_get_them(bench):
    row = next(row for row in bench("data", "list", "--json").json if row["name"] == "physionet2012")
    assert row.keys() == {"name", "title", "fetchable", "root", "files", "reason"}
    assert row["root"] == ""
    assert "bench data fetch physionet2012" in row["reason"]
    assert "not here" in bench("data", "list").out


def test_the_doctor_says_what_is_here_and_ends_well_when_nothing_is_broken(bench):
    found = bench("doctor", "--json").json
    assert {
        "gapbench",
        "python",
        "device",
        "cores",
        "gpus",
        "cache",
        "suites",
        "imputers",
        "broken",
        "unloadable",
    } <= found.keys()
    assert found["broken"] == found["unloadable"] == []
    assert "physionet48" in found["suites"]


def test_a_broken_plugin_is_left_out_with_a_warning_and_ends_the_doctor_with_4(bench, tmp_path, monkeypatch):
    site = tmp_path / "site"
    info = site / "broken_toy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench]\ncrash = broken_toy\n")
    (site / "broken_toy.py").write_text("import no_such_library")
    monkeypatch.syspath_prepend(site)
    reason = "broken-toy:crash was left out: ModuleNotFoundError: No module named 'no_such_library'"
    listed = bench("list", "imputers")
    assert "locf" in listed.out
    assert reason in listed.err
    warning, refused = bench("plan", "suite=physionet48", "imputer=their_method", code=2).err.splitlines()
    assert reason in warning
    assert "no_such_library" in refused
    broken = bench("doctor", "--json", code=4).json["broken"]
    assert broken == [reason.replace(" was left out", "")]


def test_only_the_plugins_that_are_named_are_loaded(bench, monkeypatch):
    monkeypatch.setenv("BENCH_PLUGINS", "imputers, scenarios")
    assert bench("list", "imputers", "--json").json
    assert bench("list", "fusers", "--json").json == []


def test_a_plugin_that_is_named_and_not_installed_is_said(bench, monkeypatch):
    monkeypatch.setenv("BENCH_PLUGINS", "imputers,scenaros")
    (broken,) = bench("doctor", "--json", code=4).json["broken"]
    assert (
        "scenaros: no such plugin is installed (from BENCH_PLUGINS); installed are: datasets, federations, fusers"
        in broken
    )
    assert "scenaros: no such plugin is installed" in bench("show", "mcar", code=2).err


def test_data_are_looked_for_in_the_order_the_manual_says(tmp_path, monkeypatch):
    here, cache = tmp_path / "here", tmp_path / "cache"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("BENCH_DATA_ROOT", raising=False)
    places = [cache / "data", tmp_path / "shared" / "data", tmp_path / "environment", tmp_path / "said"]
    for place in places:
        place.mkdir(parents=True)
    with pytest.raises(DataError, match=r"no data for marked: give data\.root=DIR"):
        locate(MARKED, None, "", cache)
    for place in places[:2]:
        (place / "marked").touch()
        assert locate(MARKED, None, "", cache)[0].resolve() == place
    for variable, said, place in [(places[2], "", places[2]), (places[2], str(places[3]), places[3])]:
        monkeypatch.setenv("BENCH_DATA_ROOT", str(variable))
        with pytest.raises(DataError, match="nothing is marked"):
            locate(MARKED, None, said, cache)
        (place / "marked").touch()
        assert locate(MARKED, None, said, cache) == (place, [place / "marked"], False)


def test_an_empty_place_of_the_data_says_what_is_missing(bench, tmp_path):
    assert "physionet2012" in refusal(bench("data", "verify", "physionet2012", f"data.root={tmp_path}", code=3))


def test_verify_of_data_that_are_nowhere_makes_none_and_fails(bench, tmp_path, monkeypatch):
    monkeypatch.delenv("BENCH_DATA_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("mimic4", "mosi"):
        said = refusal(bench("data", "verify", name, f"cache={tmp_path / 'cache'}", code=3))
        assert f"no data for {name}" in said
        assert "data.root=synthetic" in said
    assert not (tmp_path / "cache" / "synthetic").exists()


def test_a_run_that_never_was_is_answered_with_the_command_that_makes_it(bench):
    for command in (["report"], ["gate"], ["baseline", "pin"]):
        assert "first: bench run suite=physionet48" in refusal(bench(*command, "suite=physionet48", code=2))


def test_a_table_is_made_from_a_records_file_alone(bench, tmp_path):
    save_export(tmp_path / "demo.records.json", make_export())
    paths = bench("report", f"from={tmp_path / 'demo.records.json'}", "to=tables", "--no-costs").out.split()
    assert sorted(Path(path).suffix for path in paths) == [".csv", ".json", ".json", ".md"]
    assert all(Path(path).is_file() and Path(path).parent.name == "tables" for path in paths)
    printed = bench("report", f"from={tmp_path / 'demo.records.json'}", "to=tables", "--json").json
    assert printed


def test_a_table_that_is_replaced_is_named_and_no_file_of_it_stays(bench):
    """Each file of the second table is the same as where no table stood before."""
    for number, words in enumerate(("imputer=mean", "imputer=locf data.root=/home/me")):
        run = msgspec.structs.replace(make_export(), command=f"bench run suite=demo {words}")
        save_export(Path(f"{number}.json"), run)
    assert "replaces" not in bench("report", "from=0.json", "to=tables", "--html").err
    assert "replaces" not in bench("report", "from=0.json", "to=tables").err
    said = bench("report", "from=1.json", "to=tables", "--no-costs")
    assert said.err == "replaces the table of: bench run suite=demo imputer=mean (to=DIR writes to another folder)\n"
    alone = bench("report", "from=1.json", "to=alone", "--no-costs", "--html")
    assert alone.err == ""
    assert [Path(path).read_bytes() for path in said.out.split()] == [
        Path(path).read_bytes() for path in alone.out.split()
    ]
    assert sorted(Path("tables").iterdir()) == sorted(map(Path, said.out.split()))


def test_a_records_file_that_is_missing_or_damaged_is_one_line(bench):
    Path("damaged.json").write_text("{")
    for name in ("nowhere.json", "damaged.json"):
        assert name in refusal(bench("report", f"from={name}", code=5))
    refusal(bench("report", "from=damaged.json", "seed=1", code=2))


def test_a_plan_says_what_would_be_done_and_changes_nothing(project):
    plan = json.loads(project.here("plan", project.suite, "--json").stdout)
    assert plan.keys() == {
        "suite", "profile", "overrides", "device", "data", "cells", "status", "jobs", "estimated_seconds", "plan",
    }  # fmt: skip
    assert plan["cells"] == len(plan["plan"]) == plan["status"]["not-run"] == 4
    assert plan["jobs"] == {"cohort": 1, "impute": 2, "fuse": 4}
    assert all(cell.keys() == {"key", "coordinates", "skip", "cached"} for cell in plan["plan"])
    assert list(project.folder.iterdir()) == []


def test_a_plan_tells_which_cells_will_be_skipped_and_why(project):
    words = ("plan", "suite=mimic48_federated", "profile=demo", "imputer=locf", "fuser=gru,linear")
    plan = json.loads(project.here(*words, "--json").stdout)
    left_out = [cell["skip"] for cell in plan["plan"] if cell["skip"]]
    assert left_out
    assert plan["status"] == {"skipped": len(left_out), "not-run": plan["jobs"]["fuse"]}
    said = project.here(*words).stdout
    assert all(f"skipped, {left_out.count(reason)} cells: {reason}" in said for reason in left_out)


HEAVY = ("torch", "pandas", "scipy", "sklearn")

LIGHT_COMMANDS = [
    ("--help",), ("list", "imputers"), ("list", "suites"), ("show", "gru"), ("data", "list"), ("run", "suite=phisionet48"),
    ("plan", "SUITE"), ("report", "from=EXPORT", "to=tables"),
]  # fmt: skip


def test_no_command_that_only_looks_imports_anything_heavy(project, tmp_path):
    """The export holds its statistics: where they are not stored yet, a report computes them,
    with SciPy.
    """
    save_export(tmp_path / "demo.records.json", simulated_export({"mean": 1.0, "locf": 0.5}))
    given = {"SUITE": project.suite, "from=EXPORT": f"from={tmp_path / 'demo.records.json'}"}
    lines = [[given.get(word, word) for word in words] for words in LIGHT_COMMANDS]
    code = f"""
import contextlib, io, sys
from bench.cli.main import main
for words in {lines!r}:
    sys.argv = ["bench", *words]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            main()
        except SystemExit as ended:
            assert ended.code in (0, 2), said.getvalue()
    heavy = sorted(set({HEAVY!r}) & set(sys.modules))
    assert not heavy, (words, heavy)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.folder, env=project.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_console_script_and_the_module_are_the_same_command(project):
    module = project.here("list", "imputers")
    script = Path(sys.executable).with_name("bench")
    if not script.exists():
        pytest.skip("the command is not installed beside this Python")
    done = subprocess.run([script, "list", "imputers"], env=project.environment, capture_output=True, text=True)
    assert done.stdout.startswith(module.stdout[:20])


def test_a_reader_that_stops_listening_is_no_error(project):
    process = project.start("show", "gru")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 0


def test_an_answer_that_cannot_be_written_is_one_line_and_an_exit_code(project):
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "bench", "list", "imputers"], cwd=project.folder, env=project.environment,
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert process.returncode == 5
    assert process.stderr == "bench: the answer: No space left on device\n"


def test_the_help_shows_every_command_under_one_heading():
    from bench.cli.main import COMMANDS, SECTIONS

    shown = [name for names in SECTIONS.values() for name in names]
    assert sorted(shown) == sorted(COMMANDS)


def test_a_list_of_nothing_in_particular_says_how_many_there_are_of_each(bench):
    for kind, number in bench("list", "--json").json.items():
        assert len(bench("list", kind, "--json").json) == number
