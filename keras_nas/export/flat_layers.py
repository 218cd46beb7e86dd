"""The layers of a model, those inside of layers too."""


def flat_layers(model):
    """Returns a model and all layers in it, however deep.

    Args:
        model: A Keras model or layer.

    Returns:
        List of layers.
    """
    # Keras has no public way to reach the layers inside of layers, such as
    # those of MultiHeadAttention or of a cell of an RNN.
    return model._flatten_layers()
