"""The command `bench`: thin commands that parse, call and print. Help appears at once: nothing is loaded before it is used."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any

import click

import bench
from bench.errors import EXIT_CODES, BenchError, nearest

COMMANDS = {
    "run": ("bench.cli.grid:run", "Run a suite: finish what the ledger lacks."),
    "plan": ("bench.cli.grid:plan", "Show the cells of a suite, what is cached and what the rest will cost."),
    "tune": ("bench.cli.tune:tune", "Choose parameters of fusers on the validation part, as many trials for each."),
    "report": ("bench.cli.report:report", "Write the leaderboard of a suite from the ledger."),
    "plot": ("bench.cli.plot:plot", "Draw imputations, error curves, or one imputer against another."),
    "weights": ("bench.cli.weights:weights", "Save, load or list what imputers have learnt."),
    "list": ("bench.cli.names:list_", "List suites, imputers, fusers, datasets or scenarios."),
    "show": ("bench.cli.names:show", "Show a method, dataset, scenario or suite: parameters, defaults, paper, tags."),
    "data": ("bench.cli.data:data", "List, fetch, verify or embed data."),
    "check": ("bench.cli.plugins:check", "Check whether a component keeps the contract."),
    "new": ("bench.cli.plugins:new", "Start a plugin from a working template."),
    "baseline": ("bench.cli.gating:baseline", "Pin a run as the baseline of a suite."),
    "gate": ("bench.cli.gating:gate", "Compare a run with a pinned baseline; the verdict is the exit code."),
    "doctor": ("bench.cli.names:doctor", "Say what this installation has, and which plugins are broken."),
}

EPILOG = """Words are key=value; a comma means several values, 0..4 a range, dotted keys reach any parameter:

\b
  bench run suite=physionet48 data.root=DIR imputer=mean,locf fuser=gbm,gru seed=42,52
  bench run suite=physionet48 imputer=locf fuser.gru.epochs=3 budget=9m
  bench report suite=physionet48

\b
Exit codes: 0 done, 1 some cells failed, 2 usage, 3 data, 4 plugin, 5 storage,
6 budget ended, 7 a promise is broken, 10-13 gate, 130 and 143 stopped.
See docs/manual.md."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when help is printed."""

    lazy: dict[str, tuple[str, str]] = {}  # noqa: RUF012 - set once per group

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.lazy:
            return None
        module, _, attribute = self.lazy[name][0].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in self.lazy.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.lazy and not args[0].startswith("-"):
            close = nearest(args[0], self.lazy)
            raise click.UsageError(f'"{args[0]}" is no command; {close}commands: {", ".join(self.lazy)}', ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(bench.__version__, prog_name="gapbench")
def cli() -> None:
    """Benchmark any imputer x any fuser on incomplete multimodal time series."""


cli.lazy = COMMANDS


def main() -> None:
    """The console script. Prints expected errors as one line on stderr; the exit codes are those of `bench.errors`."""
    try:
        # Not cli.main: it answers a closed pipe with exit code 1, which here means that cells failed.
        with cli.make_context("bench", sys.argv[1:]) as context:
            code = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        code = done.exit_code
    except BenchError as error:
        fail(str(error), error.exit_code)
    except click.exceptions.Abort:
        fail(EXIT_CODES[130], 130)
    except click.ClickException as error:
        fail(error.format_message() + _help_hint(error), 2)
    except KeyboardInterrupt:
        fail(EXIT_CODES[130], 130)
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"{error.filename or 'the answer'}: {error.strerror or error}", 5)
    sys.exit(code or 0)


def _help_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"; see: {context.command_path.replace('cli', 'bench', 1)} --help" if context else "; see: bench --help"


def fail(message: str, code: int) -> None:
    """One line on stderr, then the exit code."""
    print(f"bench: {message}", file=sys.stderr)
    sys.exit(code)


def say(message: str) -> None:
    """A line for the person who waits: stderr, so that stdout holds nothing but the answer."""
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)


def answer(value: Any) -> None:
    """The answer as JSON on stdout."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
