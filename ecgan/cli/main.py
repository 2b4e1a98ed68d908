r"""The command line: ``ecgan`` or ``python -m ecgan``; ``--help`` after any command explains it."""

import sys
import warnings

# A file each, in the order of help; what they need is imported only when one of them runs.
COMMANDS = ("toy", "doctor", "synthesize", "segmenter", "train", "evaluate", "export", "make-toy")
COMMANDS += ("fetch",)


def preset_named(arguments: list[str]) -> str:
    r"""The preset that --config names, told before parsing: it holds the other defaults."""
    from ecgan.presets import PRESETS

    words = [word for argument in arguments for word in argument.split("=", 1)]
    named = [after for word, after in zip(words, words[1:]) if word == "--config"]
    return named[-1] if named and named[-1] in PRESETS else "toy"


def command_named(name: str, arguments: list[str]):
    r"""The function of a command; training's has the defaults of the preset that was named."""
    from importlib import import_module

    file = name.replace("-", "_")
    module = import_module(f"ecgan.cli.{file}")
    if hasattr(module, "with_defaults_of"):
        return module.with_defaults_of(preset_named(arguments))
    return getattr(module, file)


def _run(arguments: list[str]) -> int:
    import tyro

    from ecgan.cli.errors import REFUSED, sentence, tell

    name = arguments[0] if arguments else ""
    if name not in COMMANDS:  # help, or a slip: tyro says which commands there are
        commands = {command: command_named(command, arguments) for command in COMMANDS}
        return tyro.extras.subcommand_cli_from_dict(
            commands, prog="ecgan", description="ECGAN: layouts in, pictures out.", args=arguments
        )
    command = command_named(name, arguments)
    try:
        return tyro.cli(command, prog=f"ecgan {name}", args=arguments[1:]) or 0
    except Exception as error:
        said = sentence(error, name, command)
        if said is None:
            raise
        tell(said)
        return REFUSED


def main(arguments: list[str] | None = None) -> int:
    r"""Run one command; the exit code.

    Errors of the package, of the system and of memory become one sentence and code 2, Ctrl-C one
    and code 130; anything else is a fault of the program and keeps its traceback.
    """
    # What Pillow warns of is read all the same, or becomes a sentence with the file's name.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a code page may lack a letter of a file's name
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        from ecgan.cli.errors import INTERRUPTED, INTERRUPTION, tell

        tell(INTERRUPTION)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
