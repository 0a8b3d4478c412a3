"""The command line, `diffad ...`: train, score and evaluate detectors, run experiments, read and check their records.

Exit codes: 0 done; 1 a record does not follow from its scores; 2 bad input, with one sentence on stderr; 130 interrupted.
Results go to stdout, progress and remarks to stderr. torch is imported by a command's function when it runs, so that help
comes at once.
"""

import os
import sys
import traceback
from collections.abc import Sequence

import typer

import diffad
from diffad.cli.compare import compare_command
from diffad.cli.embeddings import embeddings_command
from diffad.cli.evaluate import evaluate_command
from diffad.cli.explain import explain_command
from diffad.cli.results import results_command, verify_results_command
from diffad.cli.robustness import robustness_command
from diffad.cli.run import run_command
from diffad.cli.score import score_command
from diffad.cli.train import train_command

PACKAGE_FOLDER = os.path.dirname(os.path.abspath(diffad.__file__))
BAD_INPUT, INTERRUPTED = 2, 130

EXAMPLES = """Examples, from your own images to their scores:

\b
  diffad train photos/normal --out detector --image-size 32
  diffad score detector photos/new --out scores.csv --maps maps
  diffad explain detector photos/new/0042.png --out why.png
  diffad evaluate detector --normal photos/good --anomalous photos/bad

On a data set of the catalog:

\b
  diffad data list
  diffad train digits --out detector --edition smoke
  diffad evaluate detector digits --protocol clean_versus_corrupted

The book's experiments:

\b
  diffad run experiments/mnist_c.yaml --edition smoke
  diffad results
  diffad verify-results
"""

app = typer.Typer(
    help="Anomaly detection with diffusion models: find images unlike the normal ones.",
    epilog=EXAMPLES,
    rich_markup_mode=None,  # plain text, which can be copied and is there without importing rich
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"diffad {diffad.__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", callback=_print_version, is_eager=True
    ),
) -> None:
    """Options before the command."""


app.command("train")(train_command)
app.command("score")(score_command)
app.command("explain")(explain_command)
app.command("evaluate")(evaluate_command)
app.command("run")(run_command)
app.command("compare")(compare_command)
app.command("embeddings")(embeddings_command)
app.command("robustness")(robustness_command)
app.command("results")(results_command)
app.command("verify-results")(verify_results_command)


@app.command(
    "data",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
def data_command(context: typer.Context) -> int | None:
    """List, fetch and verify data sets."""
    from diffad.cli.data import app as data_app  # it reads the whole catalog

    group = typer.main.get_command(data_app)
    return group.main(context.args or ["--help"], "diffad data", standalone_mode=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; `arguments` are those of the process if not given."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(app)
    try:
        return _exit_code(command.main(given or ["--help"], "diffad", standalone_mode=False))
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except BrokenPipeError:  # the reader, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        print(f"diffad: {sentence}", file=sys.stderr)
        return BAD_INPUT


def _exit_code(returned: object) -> int:
    """What a command returned, as an exit code; typer itself turns an interruption into the code 130."""
    code = returned if isinstance(returned, int) else 0
    return _interrupted() if code == INTERRUPTED else code


def _interrupted() -> int:
    print("\ndiffad: interrupted; nothing half-written was left", file=sys.stderr)
    return INTERRUPTED


def explain(error: Exception) -> str | None:
    """The one sentence for an error that bad input caused; None for a fault of the program, whose traceback is wanted.

    A TypeError is bad input only where the package raised it on purpose; elsewhere it is a fault.
    """
    if hasattr(error, "format_message"):  # typer's usage errors, whichever click it brings
        context = getattr(error, "ctx", None)
        hint = f" (see: {context.command_path} --help)" if context else ""
        return " ".join(error.format_message().split()) + hint
    if hasattr(error, "errors") and isinstance(error, ValueError):  # pydantic's ValidationError
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = " ".join(first["msg"].replace("Value error, ", "").split())
        return f"{field}: {reason}" if field else reason
    if isinstance(error, (ValueError, FloatingPointError)) or _raised_on_purpose(error):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'file'}: {error.strerror}"
    return None


def _raised_on_purpose(error: Exception) -> bool:
    """Whether a TypeError comes from a `raise` in this package and not from a faulty call."""
    if not isinstance(error, TypeError) or error.__traceback__ is None:
        return False
    last = traceback.extract_tb(error.__traceback__)[-1]
    return last.filename.startswith(PACKAGE_FOLDER) and (last.line or "").startswith("raise ")
