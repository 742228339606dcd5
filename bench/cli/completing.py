"""What may stand next in a command that is being typed, for the completion of shells.

A script of the shell (`bench completion`) calls `bench` with the line up to the cursor in a
variable. The answer is a line for each candidate: the whole word, a tab, what it is. A word that
ends in `=` or `.` goes on; behind any other the shell puts a space.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from bench.cli.main import components
from bench.text.clean import line as line_of

if TYPE_CHECKING:
    from bench.registry import Registry

VARIABLE = "_BENCH_LINE"
"""The variable of the environment that holds the line up to the cursor."""

SCRIPTS = {
    "bash": """_bench() {
    local line=${COMP_LINE:0:COMP_POINT} cut=${COMP_WORDS[COMP_CWORD]} word
    [[ $cut == "=" || $cut == ":" ]] && cut=""
    local last=${line##*[[:space:]]}
    local before=${last%"$cut"}
    COMPREPLY=()
    while IFS=$'\\t' read -r word _; do
        word=${word#"$before"}
        [[ $word == *[=.] ]] || word="$word "
        COMPREPLY+=("$word")
    done < <(_BENCH_LINE=$line bench 2>/dev/null)
}
complete -o nospace -o bashdefault -o default -F _bench bench
""",
    "zsh": """#compdef bench
_bench() {
    local line=${BUFFER[1,CURSOR]} row
    local -a open whole
    for row in ${(f)"$(_BENCH_LINE=$line bench 2>/dev/null)"}; do
        row=${row%%$'\\t'*}
        if [[ $row == *[=.] ]]; then open+=($row); else whole+=($row); fi
    done
    compadd -Q -S '' -a open
    compadd -Q -a whole
    if (( ! $#open && ! $#whole )); then
        compset -P '*='
        _files
    fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _bench "$@"; else compdef _bench bench; fi
""",
    "fish": """function __bench_words
    set -l line (commandline -cp)
    set -l rows (env _BENCH_LINE=$line bench 2>/dev/null)
    if test (count $rows) -gt 0
        printf '%s\\n' $rows
    else
        set -l parts (string split -m 1 = -- (commandline -ct))
        if test (count $parts) -eq 2
            __fish_complete_path $parts[2] | string replace -r '^' "$parts[1]="
        else
            __fish_complete_path (commandline -ct)
        end
    end
end
complete -c bench -f -a '(__bench_words)'
""",
}
"""Shell -> what it must read."""


class Candidate(NamedTuple):
    """A word that may stand next, whole, and what it is."""

    word: str
    about: str = ""


def answer(line: str, group: click.Command) -> str:
    """The candidates for the last word of a line, one in each line; those that begin as it does."""
    words, last = _split(line)
    candidates = [each for each in _candidates(words, last, group) if each.word.startswith(last)]
    return "".join(f"{line_of(each.word)}\t{_plain(each.about)}\n" for each in sorted(set(candidates)))


def _plain(about: str) -> str:
    """Markdown as a line of plain text, whatever a plugin wrote."""
    return line_of(re.sub(r"\[([^\]]+)\]\([^)]*\)|`", r"\1", about))


def _split(line: str) -> tuple[list[str], str]:
    """The words before the one under the cursor, without the command itself, and that one."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words = list(lexer)
    except ValueError:  # a quote is open
        words = line.split()
    last = "" if not line or line[-1].isspace() else words.pop()
    return words[1:], last


def _candidates(words: list[str], last: str, group: click.Command) -> Iterator[Candidate]:
    command, before = group, list(words)
    context = click.Context(group, info_name="bench")
    while isinstance(command, click.Group):
        name = next((word for word in before if not word.startswith("-")), None)
        below = command.get_command(context, name) if name is not None else None
        if below is None:
            if name is None and not last.startswith("-"):
                shorts = getattr(command, "lazy", {})
                yield from (
                    Candidate(each, shorts[each][1] if each in shorts else "")
                    for each in command.list_commands(context)
                )
            break
        before = before[before.index(str(name)) + 1 :]
        command, context = below, click.Context(below, info_name=name, parent=context)
    if last.startswith("-"):
        for parameter in command.get_params(context):
            if isinstance(parameter, click.Option):
                yield from (
                    Candidate(option, parameter.help or "") for option in parameter.opts if option.startswith("--")
                )
        return
    if isinstance(command, click.Group):
        return
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            yield from _of_argument(parameter, command, before, last)


def _of_argument(argument: click.Argument, command: click.Command, before: list[str], last: str) -> Iterator[Candidate]:
    """The candidates of an argument, by its metavar: a choice (`suites|imputers`), or words."""
    metavar = argument.metavar or ""
    if isinstance(argument.type, click.Choice):
        yield from (Candidate(str(choice)) for choice in argument.type.choices)
    elif re.fullmatch(r"[a-z]+(\|[a-z]+)+", metavar):
        yield from map(Candidate, metavar.split("|"))
    elif "=" in metavar:
        yield from _of_words(metavar, before, last)
    elif argument.name in ("name", "names"):
        yield from _names()


def _names() -> Iterator[Candidate]:
    """Everything that `bench show` knows."""
    from bench.config.layers import find_suites

    registry = components()
    for kind in ("dataset", "scenario", "imputer", "fuser", "federation"):
        yield from (Candidate(spec.name, spec.summary) for spec in registry.specs(kind))
    yield from (Candidate(name, "suite") for name in find_suites())


def _of_words(metavar: str, before: list[str], last: str) -> Iterator[Candidate]:
    """Words `key=value`: keys, or values of the key that stands there."""
    from bench.config.words import halves

    registry = components()
    key, equals, typed = halves(last)
    if not equals:
        own = dict.fromkeys(re.findall(r"([a-z][\w.]*)=", metavar), "")
        keys = own | (_keys(registry, key, before) if "KEY=VALUE" in metavar else {})
        typed_keys = {halves(word)[0] for word in before}
        for name, about in keys.items():
            yield from [Candidate(name if name.endswith(".") else f"{name}=", about)] * (name not in typed_keys)
        return
    kept, comma, _ = typed.rpartition(",")
    present = kept.split(",") if comma else []
    for value, about in _values(key, before, registry).items():
        yield from [Candidate(f"{key}={kept}{comma}{value}", about)] * (value not in present)


def _keys(registry: Registry, typed: str, before: list[str]) -> dict[str, str]:
    """Keys of a run, with what they mean. Those of methods once their kind is typed: names first,
    then parameters.
    """
    from bench.config.command import Settings
    from bench.config.suite import SHORT, Suite
    from bench.grid.axes import COMPONENTS, NAMES

    kind, dot, rest = typed.partition(".")
    if dot and kind in COMPONENTS:
        spec = next((spec for spec in registry.specs(kind) if rest.startswith(f"{spec.name}.")), None)
        if spec is not None:
            return {f"{kind}.{spec.name}.{name}": about for name, about in _described(spec.params).items()}
        return {f"{kind}.{spec.name}.": spec.summary for spec in registry.specs(kind) if spec.params.__struct_fields__}
    if dot and kind in Suite.__struct_fields__:
        inner = _tables().get(kind)
        return {f"{kind}.{name}": about for name, about in _described(inner).items()} if inner else {}
    settings = _described(Settings)
    axes = dict.fromkeys(NAMES, "axis of the grid")
    tables = {f"{name}.": "table of the suite" for name in _tables()}
    methods = {f"{kind}.": "parameters of methods" for kind in COMPONENTS}
    return settings | axes | dict.fromkeys(SHORT, "") | {"data.root": "the folder of the data"} | tables | methods


def _tables() -> dict[str, type]:
    """The tables of a suite that have keys of their own."""
    import msgspec

    from bench.config.conversion import types_of
    from bench.config.suite import Suite

    return {
        name: kind
        for name, kind in types_of(Suite).items()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    }


def _described(struct: Any) -> dict[str, str]:
    """The fields of a struct, with what they mean."""
    from bench.discovery.parameters import parameters

    return {parameter.name: parameter.description for parameter in parameters(struct)}


def _values(key: str, before: list[str], registry: Registry) -> dict[str, str]:
    """The values that a key may have, with what they are; none where they cannot be listed."""
    from bench.config.command import Settings
    from bench.config.conversion import types_of
    from bench.config.layers import find_suites
    from bench.execute import executors
    from bench.grid.axes import COMPONENTS

    kind, _, rest = key.partition(".")
    if key == "suite":
        return dict.fromkeys(find_suites(), "suite")
    if key in (*COMPONENTS, "dataset"):
        return {spec.name: spec.summary for spec in registry.specs(key)}
    if key == "executor":
        return dict.fromkeys(executors.names(), "")
    if key == "device":
        return dict.fromkeys(("auto", "cpu", "cuda"), "")
    if key in ("profile", "task", "modalities"):
        return _of_suite(key, before, registry)
    if kind in COMPONENTS:
        spec = next((spec for spec in registry.specs(kind) if rest.startswith(f"{spec.name}.")), None)
        return _choices(types_of(spec.params).get(rest.removeprefix(f"{spec.name}."))) if spec else {}
    if kind in _tables():
        return _choices(types_of(_tables()[kind]).get(rest))
    return _choices(types_of(Settings).get(key))


def _of_suite(key: str, before: list[str], registry: Registry) -> dict[str, str]:
    """The profiles, tasks or sets of modalities of the suite that the line names."""
    from bench.config.layers import read
    from bench.config.words import halves
    from bench.errors import BenchError

    named = next((halves(word)[2] for word in before if word.startswith("suite=")), "")
    if not named:
        return {}
    try:
        content, _ = read(named)
    except BenchError:
        return {}
    profiles = content.get("profiles", {})
    if key == "profile":
        return dict.fromkeys(profiles, f"profile of {named}")
    dataset = registry.specs("dataset")
    if key == "task":
        tasks = next((spec.tasks for spec in dataset if spec.name == content.get("dataset")), {})
        return {name: task.summary for name, task in tasks.items()}
    return dict.fromkeys(content.get("modalities", {}), "set of modalities")


def _choices(kind: Any) -> dict[str, str]:
    """The values of a choice; none for any other type."""
    import types
    import typing

    from bench.config.conversion import bare

    kind = bare(kind)
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return {value: "" for arm in typing.get_args(kind) for value in _choices(arm)}
    if kind is bool:
        return {"true": "", "false": ""}
    return {str(value): "" for value in typing.get_args(kind)} if typing.get_origin(kind) is typing.Literal else {}


@click.command()
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
def completion(shell: str) -> None:
    """Print what a shell must read to complete commands, suites, methods and their parameters.

    bash: bench completion bash > ~/.local/share/bash-completion/completions/bench. zsh: bench
    completion zsh > a folder of fpath, as _bench. fish: bench completion fish >
    ~/.config/fish/completions/bench.fish.
    """
    print(SCRIPTS[shell], end="")
