"""The commands of `inr-jax`, each a module with flags and `main`.

Only the module of the command that runs is imported, so that every command has its own
flags, and `--help` loads no JAX.
"""

import importlib
import sys

from absl import flags

import inr_jax
from inr_jax.cli import app

COMMANDS = {
    "demo": "denoise, score and fit the clips that come with inr_jax",
    "denoise": "remove noise from recordings",
    "live": "remove noise from a microphone, a pipe or a file as it comes in",
    "fit": "fit a SIREN to every clip of a folder",
    "fit-dnp": "fit DNP to noisy clips",
    "sweep": "fit SIRENs of many settings to noisy clips",
    "train": "train a hypernetwork, from noisy to clean speech",
    "evaluate": "score methods on noisy clips: table, figures, a page to listen to",
    "table": "compare the paper's table with evaluations",
    "export": "write a trained network as an ONNX file",
    "download": "fetch SepFormer's weights",
}
# They take files besides flags.
_WITH_ARGUMENTS = ("denoise",)


def main() -> None:
    """The command line of `inr-jax` and of `python -m inr_jax`."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "-help", "--help", "help"):
        print(_usage())
        sys.exit(0)
    if name == "--version":
        print(f"inr-jax {inr_jax.__version__}")
        sys.exit(0)
    if name not in COMMANDS:
        sys.exit(
            app.print_error(f"there is no command {name!r}: {', '.join(COMMANDS)}")
        )
    sys.argv = [f"inr-jax {name}", *rest]
    run(name)


def run(name: str) -> None:
    """Runs a command with the flags of this process, and exits with its code."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    # usage and help are of the command, not of the script that was started
    sys.modules["__main__"].__doc__ = module.__doc__
    for flag in flags.FLAGS.get_key_flags_for_module(module.__name__):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    app.run(module.main, takes_arguments=name in _WITH_ARGUMENTS)


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        ["usage: inr-jax COMMAND [flags]", "", *lines, "", "inr-jax COMMAND --help"]
    )
