"""The program `keras-nas`: understands the command line, then does the work.

It lies outside of the package `keras_nas`, whose import takes the seconds
that TensorFlow needs: help and mistakes are answered at once.
"""

import contextlib
import decimal
import importlib
import importlib.metadata
import os
import re
import sys
import tempfile
import warnings

from absl import flags

USAGE = """\
Makes .tflite files of Keras models, tests and measures them.

usage: keras-nas COMMAND ARGUMENTS [FLAGS]

  keras-nas deploy model.keras --data data.npz --output folder
      converts, verifies, measures and describes a model
  keras-nas benchmark model.tflite [MORE.tflite ...]
      measures files that exist
  keras-nas measure --space search.py:build --output pixel8.json
      makes a latency table of a search space, here or for another device
  keras-nas report directory/project_name --output report.html
      shows a search as a page, KerasTuner's own searches too

keras-nas COMMAND --help lists the flags of a command.
"""

DEPLOY_USAGE = """\
Makes .tflite files of a Keras model, tests and measures them.

usage: keras-nas deploy MODEL.keras --data DATA.npz --output FOLDER [FLAGS]

The data file holds NumPy arrays, as numpy.savez writes them: inputs `x` and
targets `y`, and `x_val` and `y_val` to measure the accuracy on. Of a model
with several inputs or outputs they are called x.NAME, y.NAME and so on.

Exit code: 0 if a file meets the limits, 1 if none does or none could be made,
2 after a mistake in the command line or in the files that it names.
"""

BENCHMARK_USAGE = """\
Measures TFLite files on this machine, in turns.

usage: keras-nas benchmark FILE.tflite [MORE.tflite ...] [FLAGS]
"""

MEASURE_USAGE = """\
Makes a latency table: how long each piece of a search space takes.

usage: keras-nas measure --output TABLE.json --space FILE.py:NAME [FLAGS]
       keras-nas measure --output TABLE.json --space FILE.py:NAME --remote DIR
       keras-nas measure --output TABLE.json --read DIR

The first measures on this machine, and goes on where it was if it is called
again. The second writes .tflite files and scripts for another device to a
folder, and the third makes the table of what the scripts have measured there.
NAME is a function build(hp) or a HyperModel in a file or a module.
"""

REPORT_USAGE = """\
Shows a search as one HTML page, which opens without a network.

usage: keras-nas report FOLDER [FLAGS]

FOLDER is the project of a search by keras_nas or KerasTuner: the one that
holds oracle.json. Drawings of the best models are in the page that
tuner.report(path) makes.
"""

# Flags that ask for a training before the conversion.
_STAGES = ("prune", "cluster", "quantization_aware", "prune_channels")

# How a program ends, by convention and as the usage says.
SUCCESS, FAILURE, WRONG_USAGE = 0, 1, 2
_INTERRUPTED = 130
# What a wrong path raises, and the flags that hold one.
_PATH_ERRORS = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
_PATH_FLAGS = (
    "csv", "data", "json", "labels", "output", "plot", "read", "remote",
    "space",
)  # fmt: skip
# Names that errors of Keras use for other things than the flags.
_COMMON_NAMES = (
    "author", "data", "description", "h", "help", "license", "name",
    "traceback", "version",
)  # fmt: skip
_BYTES = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
}


def main(argv=None):
    """Runs the program.

    Args:
        argv: List of arguments, by default those of the process.

    Returns:
        The exit code.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("help", "-h", "-help", "--help"):
        print(USAGE, end="", file=sys.stdout if argv else sys.stderr)
        return SUCCESS if argv else WRONG_USAGE
    name, *arguments = argv
    if name == "--version":
        print(importlib.metadata.version("keras-nas"))
        return SUCCESS
    commands = {
        "deploy": (DEPLOY_USAGE, define_deploy_flags),
        "benchmark": (BENCHMARK_USAGE, define_benchmark_flags),
        "measure": (MEASURE_USAGE, define_measure_flags),
        "report": (REPORT_USAGE, define_report_flags),
    }
    if name not in commands:
        return _complain(
            f"there is no command '{name}'. Commands: {', '.join(commands)}"
        )
    usage, define_flags = commands[name]
    values = _flag_values(define_flags)
    try:
        files = values([f"keras-nas {name}", *arguments])[1:]
    except flags.Error as error:
        return _complain(f"{error}\nkeras-nas {name} --help lists the flags.")
    if values.help:
        print(f"{usage}\nflags:\n{_describe(values)}")
        return SUCCESS
    mistake = _mistake(name, files, values)
    if mistake:
        return _complain(f"{mistake}\nkeras-nas {name} --help says more.")
    return _run(name, files, values)


class _SparsityParser(flags.ArgumentParser):
    """Reads a share of zeros or a pattern of them."""

    def parse(self, argument):
        """Returns a number or a pattern as text."""
        if isinstance(argument, str) and re.fullmatch(r"\d+:\d+", argument):
            return argument
        try:
            return float(argument)
        except (TypeError, ValueError):
            raise ValueError(
                "expected a share, such as 0.5, or a pattern, such as 2:4"
            ) from None


class _ShareParser(flags.ArgumentParser):
    """Reads a number of at least 0 and below 1."""

    def parse(self, argument):
        """Returns a number."""
        try:
            share = float(argument)
        except (TypeError, ValueError):
            share = -1
        if not 0 <= share < 1:
            raise ValueError("expected a share below 1, such as 0.5")
        return share


class _BytesParser(flags.ArgumentParser):
    """Reads a number of bytes: 100000, 100k, 1.5M, 64KiB."""

    def parse(self, argument):
        """Returns an integer."""
        match = re.fullmatch(
            r"(\d+(?:[_,]\d{3})*(?:\.\d+)?)\s*((?:[kmg]i?)?)b?",
            str(argument).strip(),
            re.IGNORECASE,
        )
        if match is None:
            raise ValueError(
                "expected a number of bytes, such as 100000, 100k (the same) "
                "or 1.5M; 64Ki are 64 times 1024"
            )
        # Exact, where 2.01 * 1000 is less than 2010.
        number = decimal.Decimal(re.sub("[_,]", "", match[1]))
        number *= _BYTES[match[2].lower()]
        if number != int(number):
            raise ValueError(
                "expected a whole number of bytes, such as 1500 or 1.5k"
            )
        return int(number)


def define_deploy_flags(values):
    """Defines the flags of `keras-nas deploy`."""
    options = {"flag_values": values}
    flags.DEFINE_string("data", None, "NumPy file with the data.", **options)
    flags.DEFINE_string("output", None, "Folder to write to.", **options)
    flags.DEFINE_list(
        "quantize",
        "float32,float16,dynamic,int8",
        "Files to make: float32, float16, dynamic, int4, int8, int8_io.",
        **options,
    )
    flags.DEFINE(
        _SparsityParser(),
        "prune",
        None,
        "Share of weights to set to zero, such as 0.5, or a pattern, such as "
        "2:4.",
        **options,
    )
    flags.DEFINE_integer(
        "cluster",
        None,
        "Number of values that weights share.",
        lower_bound=2,
        **options,
    )
    flags.DEFINE_bool(
        "quantization_aware", False, "Whether to train for int8.", **options
    )
    flags.DEFINE(
        _ShareParser(),
        "prune_channels",
        None,
        "Share of channels to remove.",
        **options,
    )
    flags.DEFINE_integer(
        "epochs",
        None,
        "Epochs of training after compression.",
        lower_bound=0,
        **options,
    )
    flags.DEFINE_integer(
        "batch_size",
        None,
        "Samples in a step of that training.",
        lower_bound=1,
        **options,
    )
    flags.DEFINE_list(
        "skip", None, "Names of layers not to compress.", **options
    )
    flags.DEFINE_float(
        "max_accuracy_drop",
        None,
        "Limit on the loss of accuracy.",
        lower_bound=0,
        **options,
    )
    flags.DEFINE(
        _BytesParser(),
        "max_bytes",
        None,
        "Limit on the length of the file, such as 100000, 100k or 1.5M.",
        **options,
    )
    flags.DEFINE_float(
        "max_latency_ms",
        None,
        "Limit on milliseconds a sample.",
        lower_bound=0,
        **options,
    )
    flags.DEFINE_string(
        "metric", None, "Metric of the model to compare by.", **options
    )
    flags.DEFINE_string(
        "labels", None, "Text file with a class name on each line.", **options
    )
    flags.DEFINE_list(
        "mean", None, "An app computes (value - mean) / std.", **options
    )
    flags.DEFINE_list("std", None, "See --mean.", **options)
    for field in ("name", "description", "version", "author", "license"):
        flags.DEFINE_string(
            field, None, f"The {field} of the model, for the files.", **options
        )
    flags.DEFINE_string("plot", None, "Image file to draw to.", **options)


def define_benchmark_flags(values):
    """Defines the flags of `keras-nas benchmark`."""
    flags.DEFINE_integer(
        "rounds",
        7,
        "Rounds of measurement.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_string(
        "json", None, "File to write the results to.", flag_values=values
    )


def define_measure_flags(values):
    """Defines the flags of `keras-nas measure`."""
    options = {"flag_values": values}
    flags.DEFINE_string(
        "space", None, "The search space: FILE.py:NAME or MODULE:NAME.",
        **options,
    )  # fmt: skip
    flags.DEFINE_string("output", None, "File of the table.", **options)
    flags.DEFINE_string(
        "device", None, "Name of the device; by default that of the file.",
        **options,
    )  # fmt: skip
    flags.DEFINE_string(
        "quantize", "int8", "Kind of files, as for deploy.", **options
    )
    flags.DEFINE_integer(
        "calibration_models", 8, "Random whole models to fit to.", **options
    )
    flags.DEFINE_integer(
        "test_models", 8, "Random whole models to test with.", **options
    )
    flags.DEFINE_string(
        "remote", None, "Folder to write files and scripts to.", **options
    )
    flags.DEFINE_string(
        "read", None, "Folder with the results of another device.", **options
    )


def define_report_flags(values):
    """Defines the flags of `keras-nas report`."""
    options = {"flag_values": values}
    flags.DEFINE_string("output", "report.html", "File to write to.", **options)
    flags.DEFINE_list(
        "objective",
        None,
        "Names of metrics; by default those of the search, as far as the "
        "project tells.",
        **options,
    )
    flags.DEFINE_string(
        "csv", None, "File to write the trials to as a table.", **options
    )


def _flag_values(define_flags):
    # Flags of their own: those of `absl.flags.FLAGS` are for the programs
    # that import keras_nas.
    values = flags.FlagValues()
    values.set_gnu_getopt()  # Flags may follow the files.
    options = {"flag_values": values}
    flags.DEFINE_bool(
        "help", False, "Shows this text.", short_name="h", **options
    )
    flags.DEFINE_bool(
        "traceback", False, "Whether errors show where they arose.", **options
    )
    if define_flags is define_measure_flags:
        flags.DEFINE_integer(
            "num_threads", 1, "Number of CPU threads.", **options
        )
    elif define_flags is not define_report_flags:
        flags.DEFINE_list(
            "num_threads",
            "1,2",
            "Numbers of CPU threads to measure.",
            **options,
        )
    define_flags(values)
    return values


def _describe(values):
    lines = []
    for name in sorted(values):
        flag = values[name]
        if name != flag.name or name in ("help", "h"):
            continue
        default = flag.default_as_str
        note = f" Default: {default}." if default is not None else ""
        lines.append(f"  --{name}: {flag.help}{note}")
    return "\n".join(lines)


def _mistake(name, files, values):
    """Says what is wrong with a command line, as far as it shows."""
    if name == "benchmark":
        return None if files else "expected at least one .tflite file."
    if name == "measure":
        return _mistake_of_measure(files, values)
    if name == "report":
        if len(files) == 1:
            return None
        received = " ".join(files) or "none"
        return f"expected one folder of a search. Received: {received}"
    if len(files) != 1 or not files[0].endswith(".keras"):
        return (
            "expected one .keras file, as `model.save` writes it. Received: "
            f"{' '.join(files) or 'none'}"
        )
    missing = [
        f"--{flag}" for flag in ("data", "output") if not values[flag].value
    ]
    if missing:
        return f"missing {' and '.join(missing)}."
    needless = [
        f"--{flag}"
        for flag in ("epochs", "batch_size", "skip")
        if values[flag].value is not None
    ]
    asked = [values[flag].value for flag in _STAGES]
    # --prune=0 compresses nothing, but is no mistake.
    if needless and all(value is None or value is False for value in asked):
        stages = ", ".join(f"--{flag}" for flag in _STAGES)
        return (
            f"{' and '.join(needless)} can only be given with compression: "
            f"{stages}."
        )
    return None


def _mistake_of_measure(files, values):
    if files:
        return f"expected flags alone. Received: {' '.join(files)}"
    if not values.output:
        return "missing --output."
    if bool(values.space) == bool(values.read):
        return "expected one of --space and --read."
    return None


def _run(name, files, values):
    try:
        with _quiet_import():
            command = importlib.import_module(f"keras_nas.commands.{name}")
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = _show_warning
            return command.run(files, values)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        if values.traceback:
            raise
        _complain(_by_flags(str(error), values))
        is_mistake = _is_mistake(error, files, values)
        return WRONG_USAGE if is_mistake else FAILURE


def _is_mistake(error, files, values):
    """Whether the command line is what was wrong."""
    if isinstance(error, OSError):
        # Folders for temporary files, for example, are nobody's mistake.
        return isinstance(error, _PATH_ERRORS) and any(
            _is_about(path, given)
            for path in (error.filename, error.filename2)
            for given in (*files, *_given_paths(values))
        )
    if not isinstance(error, ValueError):
        return False
    from keras_nas.compression.bridge import BridgeError

    return not isinstance(error, BridgeError)


def _given_paths(values):
    for flag in _PATH_FLAGS:
        if flag in values and values[flag].value:
            # A search space is a file and a name in it.
            path = values[flag].value
            yield path.rpartition(":")[0] if flag == "space" else path


def _is_about(path, given):
    """Whether a path is one that was given, within it, or a folder of it."""
    if not isinstance(path, str | bytes | os.PathLike) or not given:
        return False
    folder, name = os.path.split(os.path.abspath(os.fsdecode(path)))
    # Files are written beside their targets and renamed.
    path = os.path.join(folder, name.removeprefix(f".{os.getpid()}."))
    given = os.path.abspath(given)
    return os.path.commonpath([path, given]) in (path, given)


def _by_flags(message, values):
    """Names flags in place of the arguments of Python that they stand for."""
    names = "|".join(
        re.escape(name) for name in values if name not in _COMMON_NAMES
    )
    message = re.sub(rf"argument `({names})`", r"flag --\1", message)
    # What was received is the only thing known to be an argument: elsewhere
    # stand names of models and layers, and what Keras prints of them.
    before, word, received = message.rpartition("Received: ")
    if word:
        received = re.sub(rf"(^|, )({names})=", r"\1--\2=", received)
    return before + word + received


@contextlib.contextmanager
def _quiet_import():
    """Drops what TensorFlow prints when it is imported.

    It writes past Python to file descriptor 2, whatever its log level.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    try:
        original = os.dup(2)
    except OSError:
        # No standard error to keep clean.
        yield
        return
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(original, 2)
            os.close(original)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    """Shows the warnings that are meant for users, on one line."""
    if issubclass(category, UserWarning):
        print(f"keras-nas: warning: {message}", file=sys.stderr)


def _complain(message):
    print(f"keras-nas: {message}", file=sys.stderr)
    return WRONG_USAGE


if __name__ == "__main__":
    sys.exit(main())
