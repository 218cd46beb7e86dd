"""LiteRT interpreters that do not chatter."""

import contextlib
import os
import sys
import tempfile
import threading

_lock = threading.Lock()
_CHATTER = b"Created TensorFlow Lite XNNPACK delegate"


def make_interpreter(
    content, *, xnnpack=True, num_threads=1, reference_kernels=False
):
    """Makes a LiteRT interpreter with its tensors allocated.

    Args:
        content: Bytes of a TFLite file.
        xnnpack: Whether to use the XNNPACK delegate, as phones do.
        num_threads: Number of CPU threads.
        reference_kernels: Whether to use the plain kernels, as those of
            microcontrollers are: slow, and without scratch buffers.

    Returns:
        An `ai_edge_litert` interpreter.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    if reference_kernels:
        resolver = OpResolverType.BUILTIN_REF
    elif xnnpack:
        resolver = OpResolverType.AUTO
    with _quiet():
        interpreter = Interpreter(
            model_content=content,
            num_threads=num_threads,
            experimental_op_resolver_type=resolver,
        )
        interpreter.allocate_tensors()
    return interpreter


@contextlib.contextmanager
def _quiet():
    """Drops the line that LiteRT prints for each delegate it creates.

    LiteRT writes past Python to file descriptor 2. All else that comes
    there meanwhile, from this thread or another, is passed on afterwards.
    """
    with _lock, contextlib.ExitStack() as stack:
        try:
            sys.stderr.flush()
            original = os.dup(2)
        except (AttributeError, OSError, ValueError):
            # No standard error to keep clean, as in a windowed program.
            yield
            return
        stack.callback(os.close, original)
        printed = stack.enter_context(tempfile.TemporaryFile())
        os.dup2(printed.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(original, 2)
            printed.seek(0)
            for line in printed:
                if _CHATTER not in line:
                    os.write(original, line)
