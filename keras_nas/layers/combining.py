"""Combining several tensors into one."""

import keras


def combine(tensors, how):
    """Returns the `"sum"`, `"mean"` or `"concat"` of a list of tensors.

    The layers have no name of their own: two cells that share an architecture
    share the names of their choices, and layer names must be unique.
    """
    if len(tensors) == 1:
        return tensors[0]
    if how == "sum":
        return keras.layers.Add()(tensors)
    if how == "mean":
        return keras.layers.Average()(tensors)
    return keras.layers.Concatenate(axis=-1)(tensors)
