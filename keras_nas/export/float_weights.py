"""Refusal of models whose weights are no longer those that were trained."""

from keras_nas.export.flat_layers import flat_layers


def check_float_weights(model):
    """Checks that Keras has not quantized a model already.

    Its layers then hold integers and compute with them in ways of their own,
    which neither TFLite's converter nor TF-MOT can read.

    Args:
        model: `keras.Model`.

    Raises:
        ValueError: If a layer is quantized.
    """
    names = [
        layer.name
        for layer in flat_layers(model)
        if layer is not model and layer.quantization_mode is not None
    ]
    if names:
        raise ValueError(
            f"Model '{model.name}' is quantized already, by its method "
            "`quantize` or by a quantized dtype policy, and no file for a "
            "phone can be made of that. Expected the model from before, with "
            "float weights; choose the type of the file with `quantize=`, "
            f"such as 'int8'. Received quantized layers: {_some(names)}"
        )


def check_no_lora(model):
    """Checks that no layer has low-rank weights beside its own.

    Args:
        model: `keras.Model`.

    Raises:
        ValueError: If a layer has.
    """
    names = [
        layer.name
        for layer in flat_layers(model)
        if getattr(layer, "lora_enabled", False)
    ]
    if names:
        raise ValueError(
            f"Model '{model.name}' has layers with LoRA weights, which have to "
            "be merged before it can be compressed. Build the model once more "
            "without `enable_lora`, and assign `layer.kernel` (of an "
            "`Embedding` `layer.embeddings`) of this model, which is the sum, "
            f"and the biases. Received: LoRA in {_some(names)}"
        )


def _some(names, most=5):
    dots = ["..."] if len(names) > most else []
    return ", ".join([repr(name) for name in names[:most]] + dots)
