"""What was compressed, and what was not and why."""

import dataclasses


@dataclasses.dataclass
class LayerReport:
    """What was done to one layer.

    Attributes:
        name: String, the name of the layer.
        kind: String, its class.
        num_weights: Integer, the numbers in its kernels.
        sparsity: Float, the share of these that are zero.
        num_clusters: Integer, the most different values in a kernel other than
            zero, or `None` if weights were not clustered.
        done: List of strings, what was done: `"pruned"`, `"clustered"`,
            `"trained for int8"`.
        notes: List of strings, what was not done and why.
    """

    name: str
    kind: str
    num_weights: int = 0
    sparsity: float = 0.0
    num_clusters: int | None = None
    done: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)


class CompressionReport:
    """What was done to each layer of a model, as text and as data.

    `print(report)` shows a line for each layer with weights, and for each layer
    that could not be treated as was asked, with the reason.

    Args:
        layers: List of `LayerReport`.

    Attributes:
        layers: The list.
    """

    def __init__(self, layers):
        self.layers = list(layers)

    def __getitem__(self, name):
        """Returns the `LayerReport` of a layer."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(
            f"No layer '{name}' in the report. Received: name={name!r}, "
            f"expected one of {[layer.name for layer in self.layers]}"
        )

    @property
    def sparsity(self):
        """Share of zeros among all kernels."""
        total = sum(layer.num_weights for layer in self.layers)
        zeros = sum(layer.num_weights * layer.sparsity for layer in self.layers)
        return zeros / total if total else 0.0

    @property
    def skipped(self):
        """Dict from names of layers to the reasons they were left alone."""
        return {
            layer.name: "; ".join(layer.notes)
            for layer in self.layers
            if layer.notes
        }

    def to_dict(self):
        """Returns everything as a dict that JSON can store."""
        return {
            "sparsity": self.sparsity,
            "layers": [dataclasses.asdict(layer) for layer in self.layers],
        }

    def __str__(self):
        rows = [("layer", "kind", "weights", "zeros", "values", "what")]
        for layer in self.layers:
            if not (layer.num_weights or layer.notes):
                continue
            clusters = layer.num_clusters
            rows.append(
                (
                    layer.name,
                    layer.kind,
                    f"{layer.num_weights:,}",
                    f"{layer.sparsity:.1%}",
                    "" if clusters is None else str(clusters),
                    "; ".join([*layer.done, *layer.notes]) or "unchanged",
                )
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            cells = [
                cell.rjust(width) if 2 <= number <= 4 else cell.ljust(width)
                for number, (cell, width) in enumerate(
                    zip(row, widths, strict=True)
                )
            ]
            lines.append("  ".join(cells).rstrip())
        lines.append(f"zeros among all kernels: {self.sparsity:.1%}")
        return "\n".join(lines)
