"""Plugins of strangers: whatever they are called, declare, print or do while loaded, ours stay
ours and commands go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.cli.main import main
from bench.discovery import guard
from bench.registry import KINDS, Registry, Spec, discover
from support.asking import SMALL
from support.installing import install
from support.project import SUPPORT

PLUGIN = "from bench.hooks import hookimpl\nbench_contract = 1\n\n@hookimpl\ndef bench_register(registry):\n"


def code_of(spec: Spec) -> tuple[str, str]:
    """What a name stands for: the plugin and the path of its code."""
    return spec.plugin, spec.path


OURS = {(kind, spec.name): code_of(spec) for kind in KINDS for spec in discover().specs(kind)}


@contextlib.contextmanager
def on_the_path(*sites: str) -> Iterator[None]:
    """These folders before all others; no module of theirs is kept."""
    with mock.patch.object(sys, "path", [*sites, *sys.path]):
        try:
            yield
        finally:
            for name, module in [*sys.modules.items()]:
                if (getattr(module, "__file__", None) or "").startswith(sites):
                    del sys.modules[name]


def declaring(*components: tuple[str, str]) -> str:
    """The source of a plugin that declares components of these kinds and names, all with one
    class of its own.
    """
    lines = []
    for kind, name in components:
        more = ", tasks=[], modalities=['x']" if kind == "dataset" else ""
        lines.append(f"    registry.{kind}({name!r}, 'theirs:Theirs'{more})\n")
    return PLUGIN + ("".join(lines) or "    pass\n")


def test_a_plugin_whose_name_sorts_before_ours_takes_no_name_of_ours(tmp_path):
    site = install(
        tmp_path,
        "aashadow",
        {"aa": "aashadow"},
        modules={"aashadow.py": declaring(("imputer", "mean"), ("fuser", "gru"))},
    )
    with on_the_path(site):
        registry = discover()
    assert [broken.plugin for broken in registry.broken] == ["aashadow:aa"]
    assert 'imputer "mean" is declared by aashadow:aa and already by gapbench:imputers' in registry.broken[0].reason
    assert code_of(registry.get("imputer", "mean")) == OURS["imputer", "mean"]


DISTRIBUTIONS = st.sampled_from(
    ["aashadow", "gapbench", "GapBench", "gap_bench", "zz", "bench", "0", "gapbench-imputers"]
)
ENTRIES = st.sampled_from(["aa", "imputers", "fusers", "scenarios", "datasets", "zz", "a b", "0"])
COMPONENTS = st.lists(
    st.one_of(
        st.sampled_from(sorted(OURS)), st.tuples(st.sampled_from(KINDS), st.sampled_from(["mine", "mean", "theirs"]))
    ),
    max_size=4,
)
WITHOUT_OURS = st.sampled_from([None, "aa", "imputers", "aa,fusers", ""])


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(DISTRIBUTIONS, ENTRIES, COMPONENTS), min_size=1, max_size=3, unique_by=lambda each: each[0].lower()
    ),
    WITHOUT_OURS,
)
@example([("gapbench", "imputers", [("imputer", "mean")])], None)
@example([("zz", "aa", [("imputer", "mean"), ("fuser", "gru")])], "aa")
def test_whatever_strangers_are_called_and_declare_a_name_of_ours_is_ours(strangers, only):
    environment = {} if only is None else {"BENCH_PLUGINS": only}
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, environment):
        sites = [
            install(
                Path(folder) / str(n), name, {entry: f"stranger{n}"}, modules={f"stranger{n}.py": declaring(*declared)}
            )
            for n, (name, entry, declared) in enumerate(strangers)
        ]
        with on_the_path(*sites):
            registry = discover()
    for kind, name in OURS:
        if name in registry.names(kind):
            assert code_of(registry.get(kind, name)) == OURS[kind, name]
        else:
            assert only is not None  # ours were left out by name, and nobody else took their place
    accepted = {spec.plugin for kind in KINDS for spec in registry.specs(kind)} - {
        plugin for plugin, _ in OURS.values()
    }
    refused = {broken.plugin for broken in registry.broken}
    for n, (name, entry, declared) in enumerate(strangers):
        label = f"{name}:{entry}"
        if only is None and label not in accepted and declared:
            assert label.lower() in {each.lower() for each in refused}, f"stranger {n} is left out without a word"


def test_what_others_declared_cannot_be_changed_by_a_hook(tmp_path):
    source = PLUGIN + "    registry._specs.clear()\n"
    with on_the_path(install(tmp_path, "clears", {"clears": "clears"}, modules={"clears.py": source})):
        registry = discover()
    assert {(kind, spec.name): code_of(spec) for kind in KINDS for spec in registry.specs(kind)} == OURS
    assert "changed what other plugins declared" in registry.broken[0].reason


def command(*words: str, site: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command as a person types it, with a folder of strangers on the path."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BENCH_")}
    environment |= {"PYTHONPATH": os.pathsep.join([site, str(SUPPORT)]), "BENCH_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-m", "bench", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_package_of_a_stranger_that_is_called_as_ours_is_found_out(tmp_path):
    shadow = {"bench_imputers/__init__.py": "", "bench_imputers/plugin.py": declaring(("imputer", "mean"))}
    site = install(tmp_path / "site", "zz", {"zz": "zz"}, modules={**shadow, "zz.py": declaring(("imputer", "mean"))})
    done = command("show", "mean", site=site, folder=tmp_path)
    assert done.returncode == 2
    assert "the package bench_imputers is found in" in done.stderr
    assert "plugin zz:zz was left out: not loaded, since gapbench:imputers of the harness itself" in done.stderr


class Said:
    """What a command printed, and how it ended."""

    def __init__(self, out: str, err: str, code: object):
        self.out, self.err, self.code = out, err, code


@pytest.fixture
def bench(monkeypatch, capfd, tmp_path) -> Callable[..., Said]:
    """The command, run in this process, with plugins of strangers: their sources by name."""
    (tmp_path / "small.toml").write_text(
        SMALL.replace('"made"', '"physionet2012"').replace("plain", "locf").replace("flat", "gru")
    )
    monkeypatch.chdir(tmp_path)

    def call(*words: str, **plugins: str) -> Said:
        site = install(
            tmp_path / "site", "strangers", {name: name for name in plugins if not name.endswith("_part")},
            modules={f"{name}.py": source for name, source in plugins.items()},
        )  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["bench", *words])
        with on_the_path(site), pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Said(out, err, ended.value.code)

    return call


USES = (
    "run suite=small.toml data.root=x", "plan suite=small.toml", "tune suite=small.toml data.root=x",
    "report suite=small.toml seed=1",
    "check locff",
    "gate suite=small.toml seed=1", "show locff", "list imputers", "data list", "data fetch x", "data verify x", "doctor",
)  # fmt: skip
"""A command of each sort that speaks of components by name."""


@pytest.mark.parametrize("words", USES)
def test_every_command_that_uses_a_name_says_which_plugins_were_left_out(bench, words):
    said = bench(*words.split(), mice="import no_such_library")
    assert said.err.count("warning: plugin strangers:mice was left out: ModuleNotFoundError") == 1
    assert "Traceback" not in said.err


@pytest.mark.parametrize("words", ["check mice", "show mice", "run suite=small.toml imputer=mice"])
def test_a_name_that_a_broken_plugin_may_have_is_answered_with_that_plugin_and_no_other_name(bench, words):
    said = bench(*words.split(), mice="import no_such_library")
    last = said.err.splitlines()[-1]
    assert said.code == 2
    assert "did you mean" not in last
    assert "may have it: strangers:mice: ModuleNotFoundError: No module named 'no_such_library'" in last


ENDS = (
    "raise SystemExit(0)",
    "import sys; sys.exit()",
    "raise KeyboardInterrupt",
    "raise GeneratorExit",
    "1 / 0",
    "raise BaseException",
)


class Quiet(Exception):
    pass


@pytest.mark.parametrize("where", ["import", "hook"])
@pytest.mark.parametrize("code", ENDS)
def test_however_a_plugin_ends_the_command_goes_on_without_it(bench, where, code):
    ignore = signal.signal(signal.SIGINT, signal.SIG_IGN)  # so that no KeyboardInterrupt of here is Ctrl-C
    try:
        source = code if where == "import" else PLUGIN + f"    registry.imputer('fine', 'a:B')\n    {code}\n"
        said = bench("list", "imputers", ends=source)
    finally:
        signal.signal(signal.SIGINT, ignore)
    assert said.code == 0
    assert "locf" in said.out
    assert "fine" not in said.out
    assert said.err.count("warning: plugin strangers:ends was left out: ") == 1


ENDS_ALL = {
    "os._exit(0)": "(exit code 0)",
    "os._exit(10)": "(exit code 10)",
    "os.kill(os.getpid(), 9)": "(Killed)",
    "os.kill(os.getpid(), 11)": "(Segmentation fault)",
    "os.abort()": "(Aborted)",
    "import ctypes; ctypes.string_at(0)": "(Segmentation fault)",
    "import ctypes; ctypes.CDLL(None).exit(0)": "(exit code 0)",
}
"""What no process outlives, and what is said of it."""


@pytest.mark.parametrize("where", ["import", "hook"])
@pytest.mark.parametrize("code", ENDS_ALL)
def test_a_plugin_that_ends_the_process_ends_a_copy_of_it_alone_and_is_named(tmp_path, where, code):
    source = "import os\n" + (code if where == "import" else PLUGIN + f"    {code}\n")
    site = install(tmp_path / "site", "strangers", {"ends": "ends"}, modules={"ends.py": source})
    done = command("list", "imputers", site=site, folder=tmp_path)
    assert done.returncode == 0
    assert "locf" in done.stdout
    how = f"it ended the process while it was loaded {ENDS_ALL[code]}"
    assert done.stderr.splitlines() == [f"warning: plugin strangers:ends was left out: {how}; mend or uninstall it"]
    done = command("show", "nowhere", site=site, folder=tmp_path)
    assert done.returncode == 2
    assert "strangers:ends: it ended the process" in done.stderr.splitlines()[-1]


HANGS = ("import time\nwhile True: time.sleep(1)", "while True: pass", "import ctypes; ctypes.PyDLL(None).pause()")
"""Calls that never return: that wait, that work, and that hold the lock of the interpreter, so
that no thread of it goes on.
"""

COMMAND = "import sys\nfrom bench.discovery import guard\nguard.PATIENCE, guard.LONGEST = 0.5, float(sys.argv.pop(1))\n"
COMMAND += "from bench.cli.start import main\nmain()\n"


def waiting(longest: str, code: str, folder: Path) -> subprocess.Popen[str]:
    """`bench list imputers` with a plugin that never returns, and this patience."""
    site = install(folder / "site", "strangers", {"hangs": "hangs"}, modules={"hangs.py": code})
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BENCH_")} | {"PYTHONPATH": site}
    line = [sys.executable, "-c", COMMAND, longest, "list", "imputers"]
    return subprocess.Popen(
        line, cwd=folder, env=environment, text=True, stdout=-1, stderr=-1,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what a shell starts with `&` ignores Ctrl-C
    )  # fmt: skip


@pytest.mark.parametrize("code", HANGS)
def test_a_plugin_that_never_returns_is_named_and_left_out(tmp_path, code):
    process = waiting("1.0", code, tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "locf" in out
    assert [line.partition(" after")[0] for line in err.splitlines() if "strangers" in line] == [
        "still loading plugin strangers:hangs",
        "warning: plugin strangers:hangs was left out: it was not loaded within 1 s; mend or uninstall it",
    ]


@pytest.mark.parametrize("code", HANGS)
def test_ctrl_c_stops_the_wait_for_a_plugin(tmp_path, code):
    process = waiting("100", code, tmp_path)
    assert process.stderr is not None
    assert any("still loading plugin strangers:hangs" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "bench: stopped by Ctrl-C; the same command goes on\n"


PRINTS = 'import os, sys\nprint("printed")\nos.write(1, b"beneath\\n")\n'
PRINTS += 'sys.stdout.write("written")\nsys.__stdout__.write("kept")\n'


@pytest.mark.parametrize(
    "words", ["list imputers", "show locf", "plan suite=small.toml", "data list", "doctor", "check natural"]
)
def test_what_plugins_print_does_not_reach_an_answer_in_json(bench, words):
    chatty = PRINTS + PLUGIN + '    print("printed in the hook")\n    registry.imputer("chatty", "chatty_part:X")\n'
    said = bench(*words.split(), "--json", chatty=chatty, chatty_part=PRINTS + "class X: pass\n")
    if said.out:
        json.loads(said.out)
    assert all(text in said.err for text in ("printed", "beneath", "written", "printed in the hook"))


def test_a_plugin_that_takes_long_is_named_while_one_waits(bench, monkeypatch):
    monkeypatch.setattr(guard, "PATIENCE", 0.05)
    said = bench("list", "imputers", slow="import time\ntime.sleep(0.5)\n" + PLUGIN + "    pass\n")
    assert "still loading plugin strangers:slow after 0.05 s; to do without it, name in BENCH_PLUGINS" in said.err
    assert "locf" in said.out


def test_a_component_whose_module_ends_the_process_ends_nothing_but_its_own_check(bench):
    source = PLUGIN + "    registry.imputer('ends', 'ends_part:X')\n"
    said = bench("doctor", ends=source, ends_part="raise SystemExit(0)")
    assert said.code == 4
    assert 'imputer "ends" (from strangers:ends) cannot be loaded from ends_part:X: SystemExit: 0' in said.out


def test_a_registry_of_one_plugin_is_still_a_registry():
    registry = Registry()
    registry.register_plugin("theirs", None)
    assert "states no bench_contract" in registry.broken[0].reason


def test_commands_find_plugins_in_one_way_alone_which_warns():
    commands = Path(sys.modules[main.__module__].__file__).parent
    assert [path.name for path in commands.glob("*.py") if "discover(" in path.read_text()] == ["main.py"]
