"""Signatures: shape and dtype of what goes into and comes out of a choice."""

import keras


def signature(tensors):
    """Returns shape and dtype of each tensor, in the structure of `tensors`.

    Args:
        tensors: A tensor, or a nested list, tuple or dict of tensors.
    """
    return keras.tree.map_structure(
        lambda tensor: (
            tuple(tensor.shape),
            keras.backend.standardize_dtype(tensor.dtype),
        ),
        tensors,
    )


def describe(signatures):
    """Returns lines that tell the named signatures apart, for an error.

    Args:
        signatures: Dict from a label to what `signature` returned.
    """
    return "\n".join(
        f"  {label}: {_readable(value)}" for label, value in signatures.items()
    )


def agree(signatures):
    """Returns whether all signatures in the iterable are the same."""
    signatures = list(signatures)
    return all(other == signatures[0] for other in signatures)


def like(tensors):
    """Returns fresh symbolic inputs with the signature of `tensors`.

    Layers that are applied only to look at their outputs are applied to
    these, so that they do not hang on the graph of the user's model and are
    freed as soon as the look is over.
    """
    return keras.tree.map_structure(
        lambda tensor: keras.KerasTensor(tensor.shape, dtype=tensor.dtype),
        tensors,
    )


def _readable(value):
    match value:
        case (tuple() as shape, str() as dtype):
            return f"shape={shape}, dtype={dtype}"
        case list() | tuple():
            return "[" + "; ".join(map(_readable, value)) + "]"
        case dict():
            items = (f"{key}: {_readable(v)}" for key, v in value.items())
            return "{" + "; ".join(items) + "}"
    return repr(value)
