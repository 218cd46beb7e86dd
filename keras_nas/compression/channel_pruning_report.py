"""What `prune_channels` has cut, and what it has not."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class PrunedLayer:
    """What became of the channels of one layer.

    Attributes:
        name: The name of the layer.
        channels_before: Integer, how many it gave.
        channels_after: Integer, how many it gives.
        reason: Why some of them could not be cut; `None` if all could.
    """

    name: str
    channels_before: int
    channels_after: int
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class ChannelPruningReport:
    """What was cut out of each layer. Print it for a table.

    Attributes:
        layers: Tuple of `PrunedLayer`, in the order of the model: layers
            that make channels. Those that hand them on follow them.
        parameters_before: Integer, of the whole model.
        parameters_after: Integer.
    """

    layers: tuple
    parameters_before: int
    parameters_after: int

    def __str__(self):
        rows = [("layer", "channels", "reason")]
        for layer in self.layers:
            counts = f"{layer.channels_before} -> {layer.channels_after}"
            rows.append((layer.name, counts, layer.reason or ""))
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        lines = [
            f"{name:{widths[0]}}  {counts:>{widths[1]}}  {reason}".rstrip()
            for name, counts, reason in rows
        ]
        lines.append(
            f"parameters: {self.parameters_before:,} -> "
            f"{self.parameters_after:,}"
        )
        return "\n".join(lines)
