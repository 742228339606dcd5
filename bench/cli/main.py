"""The command `bench`: thin commands that parse, call and print. Help appears at once: nothing
is loaded before it is used.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any

import click

import bench
from bench.errors import EXIT_CODES, BenchError, nearest
from bench.text.clean import Printed, json_text, line

if TYPE_CHECKING:
    from bench.registry import Registry

COMMANDS = {
    "run": ("bench.cli.grid:run", "Run a suite: finish what the ledger lacks."),
    "plan": ("bench.cli.grid:plan", "Show the cells of a suite, what is cached and what the rest will cost."),
    "tune": ("bench.cli.tune:tune", "Choose parameters of fusers on the validation part, as many trials for each."),
    "cell": ("bench.cli.cells:cell", "Show one cell, by the key that tables print."),
    "rerun": ("bench.cli.cells:rerun", "Compute one cell again and compare it with its record, bit by bit."),
    "predictions": ("bench.cli.cells:predictions", "Write what one cell predicted for each record; patient-level."),
    "report": ("bench.cli.report:report", "Write the leaderboard of a suite from the ledger."),
    "site": ("bench.cli.site:site", "Write a static site of leaderboards, for any static host."),
    "plot": ("bench.cli.plot:plot", "Draw imputations, error curves, histories, or one imputer against another."),
    "submit": ("bench.cli.submissions:submit", "Pack rows of a run as a folder for a pull request."),
    "verify": ("bench.cli.submissions:verify", "Check a folder of bench submit, and show the board as it would be."),
    "runs": ("bench.cli.history:runs", "List the runs that are kept."),
    "history": ("bench.cli.history:history", "Show scores, errors and costs over runs, and mark steps."),
    "compare": ("bench.cli.history:compare", "Compare two runs, method by method."),
    "weights": ("bench.cli.weights:weights", "Save, load or list what imputers have learnt."),
    "federate": (
        "bench.cli.federate:federate",
        "Prepare a site that trains with others over a network, and score the model.",
    ),
    "list": ("bench.cli.describe:list_", "List suites, imputers, fusers, datasets, scenarios or federations."),
    "show": (
        "bench.cli.describe:show",
        "Show a method, dataset, scenario or suite: parameters, defaults, paper, tags.",
    ),
    "data": ("bench.cli.data:data", "List, fetch, verify or embed data."),
    "check": ("bench.cli.plugins:check", "Check whether a component keeps the contract."),
    "new": ("bench.cli.plugins:new", "Start a plugin, a dataset or a suite from a working template."),
    "baseline": ("bench.cli.gating:baseline", "Pin a run as the baseline of a suite."),
    "gate": ("bench.cli.gating:gate", "Compare a run with a pinned baseline; the verdict is the exit code."),
    "collect": ("bench.cli.batch:collect", "Bring in what jobs in the queue of a cluster have finished."),
    "work": ("bench.cli.batch:work", "Do one part of a batch; the queue of a cluster runs this."),
    "ledger": ("bench.cli.ledger:ledger", "Merge the ledgers of runs that were divided among machines."),
    "cache": ("bench.cli.cache:cache", "Say what the cache holds, and free what nothing reads any more."),
    "completion": ("bench.cli.completing:completion", "Print the completion of bash, zsh or fish."),
    "doctor": ("bench.cli.describe:doctor", "Say what this installation has, and which plugins are broken."),
}

SECTIONS = {
    "Run": ("run", "plan", "tune"),
    "Look at results": ("report", "site", "plot", "cell", "predictions"),
    "Repeat and compare": ("rerun", "runs", "history", "compare", "baseline", "gate", "submit", "verify"),
    "Methods and data": ("list", "show", "check", "new", "data", "weights"),
    "Many machines": ("collect", "work", "ledger", "federate"),
    "This installation": ("doctor", "cache", "completion"),
}
"""How `bench --help` orders the commands: heading -> their names."""

EPILOG = """Words are key=value; a comma means several values, 0..4 a range, dotted keys reach any parameter:

\b
  bench run suite=physionet48 data.root=DIR imputer=mean,locf fuser=gbm,gru seed=42,52
  bench run suite=physionet48 imputer=locf fuser.gru.epochs=3 budget=9m
  bench report suite=physionet48

\b
Exit codes: 0 done, 1 some cells failed, 2 usage, 3 data, 4 plugin, 5 storage,
6 budget ended, 7 a promise is broken, 10-13 gate, 130 and 143 stopped.
See docs/reference/words.md."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when help is printed."""

    lazy: dict[str, tuple[str, str]] = {}  # noqa: RUF012 - set once per group
    sections: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 - the same; none: one section of all

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.lazy:
            return None
        module, _, attribute = self.lazy[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.lazy))
        for heading, names in (self.sections or {"Commands": tuple(self.lazy)}).items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), self.lazy[name][1]) for name in names])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.lazy and not args[0].startswith("-"):
            options = {opt for parameter in self.get_params(ctx) for opt in parameter.opts}
            option = f"--{args[0]}"
            close = f'did you mean "{option}"? ' if option in options else nearest(args[0], self.lazy)
            raise click.UsageError(f'"{args[0]}" is no command; {close}commands: {", ".join(self.lazy)}', ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(bench.__version__, prog_name="gapbench")
def cli() -> None:
    """Benchmark any imputer x any fuser on incomplete multimodal time series."""


cli.lazy, cli.sections = COMMANDS, SECTIONS


def main() -> None:
    """The command inside a process that lives on, for tests; `bench.cli.start.main` is the
    console script.
    """
    code, message = outcome()
    if message:
        print(f"bench: {line(message)}", file=sys.stderr)
    sys.exit(code)


def outcome() -> tuple[int, str]:
    """Do what the words of this process ask for: the exit code (those of `bench.errors`) and one
    line for stderr, or "".

    Nothing escapes but KeyboardInterrupt, where it comes while an answer is being made.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what a terminal cannot show must not end the command
    try:
        code = _invoke()
        sys.stdout.flush()
    except BenchError as error:
        return error.exit_code, str(error)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return 130, EXIT_CODES[130]
    except click.exceptions.NoArgsIsHelpError as error:
        _show_help(error)
        return 2, ""
    except click.ClickException as error:
        return 2, error.format_message().removesuffix(".") + _help_hint(error)
    except BrokenPipeError:
        _answer_no_more()
        return 0, ""
    except OSError as error:
        _answer_no_more()
        return 5, f"{error.filename or 'the answer'}: {error.strerror or error}"
    except Exception as error:
        return 70, _fault(error)
    return code, ""


def _invoke() -> int:
    """Not cli.main: it answers a closed pipe with exit code 1, which here means that cells
    failed.
    """
    if (typed := os.environ.get("_BENCH_LINE")) is not None:  # a shell asks what may stand next
        sys.stdout.write(importlib.import_module("bench.cli.completing").answer(typed, cli))
        return 0
    if strange := [word for word in sys.argv[1:] if not word.isascii()]:
        from bench.config.words import check_text  # help appears at once without it

        for word in strange:
            check_text(word)
    try:
        printed: Any = Printed(sys.stdout)
        with contextlib.redirect_stdout(printed), cli.make_context("bench", sys.argv[1:]) as context:
            return cli.invoke(context) or 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)


def _answer_no_more() -> None:
    """No reader is left: what is still in the buffer must not be an error when the process ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fault(error: Exception) -> str:
    """An unforeseen fault: one line on the terminal; what a developer needs is in a file."""
    import tempfile
    import traceback

    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="bench-fault-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as log:
            log.write("bench " + " ".join(sys.argv[1:]) + "\n\n" + traceback.format_exc())
    except OSError:
        return f"a fault in bench itself ({kind}), and no place to write its log; please report it"
    return f"a fault in bench itself ({kind}); please report it with the log {log.name}"


def _show_help(error: click.ClickException) -> None:
    """A group of commands alone: its help, as wide as it is written, where an error would stand."""
    with contextlib.suppress(OSError):
        print(error.format_message(), file=sys.stderr, flush=True)


def _help_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    if not isinstance(context, click.Context):
        return "; see: bench --help"
    dashed = ""
    if isinstance(error, click.NoSuchOption) and any(taken.name == "words" for taken in context.command.params):
        dashed = f"; words are written without dashes: {error.option_name.lstrip('-')}=VALUE"
    return f"{dashed}; see: {context.command_path.replace('cli', 'bench', 1)} --help"


def say(message: str) -> None:
    """A line for the person who waits: stderr, so that stdout holds nothing but the answer."""
    with contextlib.suppress(OSError):
        print(line(message), file=sys.stderr, flush=True)


_meanwhile = contextlib.ExitStack()
"""What is put back before an answer in JSON is written."""


def _nothing_else(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    """Whatever plugins and libraries print before the answer goes to stderr, so that a program
    can read stdout.
    """
    if value:
        from bench.discovery.guard import stdout_aside

        context.find_root().call_on_close(_meanwhile.close)
        _meanwhile.enter_context(stdout_aside())
    return value


JSON = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.", callback=_nothing_else)
"""The option of a command that ends with `answer` or `answer_json`."""


def components() -> Registry:
    """All components by name, for a command that speaks of one; says on stderr which plugins
    were left out.
    """
    from bench.registry import discover

    registry = discover(tried=True)
    for broken in registry.broken:
        say(f"warning: plugin {broken.plugin} was left out: {broken.reason}")
    return registry


def answer(value: Any) -> None:
    """The answer as JSON on stdout."""
    import msgspec

    answer_json(json_text(msgspec.json.format(msgspec.json.encode(value).decode(), indent=2)) + "\n")


def answer_json(text: str) -> None:
    """The answer on stdout, where it is JSON already."""
    _meanwhile.close()
    sys.stdout.write(text)
