"""A drawing of the layers of a model."""

import html

import keras

from keras_nas.graph import Graph, has_graph

_BOX = 190, 38
_GAP = 14, 18
_MAX_LAYERS = 300


def draw_model(model):
    """Draws the graph of a model: a box a layer, from the inputs down.

    Args:
        model: `keras.Model`, built. Of one without a graph, a subclassed
            one, the layers are drawn in the order in which it has them.

    Returns:
        String, an `<svg>` element. Its colours are those of the CSS
        variables `--text`, `--muted`, `--line` and `--surface`.

    Example:

    >>> inputs = keras.Input((4,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    >>> "Dense" in draw_model(model)
    True
    """
    boxes, edges = _read(model)
    rest = len(boxes) - _MAX_LAYERS
    boxes = boxes[:_MAX_LAYERS]
    edges = [(a, b) for a, b in edges if max(a, b) < len(boxes)]
    rows = _rows(len(boxes), edges)
    width_of = {row: rows.count(row) for row in set(rows)}
    (box_width, box_height), (gap_x, gap_y) = _BOX, _GAP
    widest = max(width_of.values(), default=1)
    width = widest * (box_width + gap_x) + gap_x
    height = (max(rows, default=0) + 1) * (box_height + gap_y) + gap_y
    placed, corners = {}, []
    for row in rows:
        place = placed[row] = placed.get(row, -1) + 1
        margin = width - width_of[row] * (box_width + gap_x) + gap_x
        corners.append(
            (
                margin / 2 + place * (box_width + gap_x),
                gap_y + row * (box_height + gap_y),
            )
        )
    parts = [_line(corners[a], corners[b], rows[b] - rows[a]) for a, b in edges]
    parts += [
        _box(corner, *box) for corner, box in zip(corners, boxes, strict=True)
    ]
    if rest > 0:
        parts.append(
            f'<text x="{width / 2}" y="{height + 14}" text-anchor="middle" '
            f'fill="var(--text)">and {rest} more layers</text>'
        )
        height += 24
    title = html.escape(f"Layers of the model {model.name}")
    return (
        f'<svg class="model" role="img" aria-label="{title}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"{''.join(parts)}</svg>"
    )


def _read(model):
    """Lists the boxes (title, details) and the pairs that are connected."""
    if not has_graph(model):
        layers = list(model.layers)
        boxes = [_described(layer) for layer in layers]
        return boxes, [(i, i + 1) for i in range(len(boxes) - 1)]
    graph = Graph(model)
    boxes, place = [], {}
    for tensor in graph.inputs:
        place[id(tensor)] = len(boxes)
        boxes.append((f"Input {tensor.name}", _shape(tensor.shape)))
    edges = []
    for node in graph.nodes:
        here = len(boxes)
        shapes = [_shape(tensor.shape) for tensor in node.outputs]
        boxes.append(_described(node.operation, ", ".join(shapes)))
        for tensor in node.inputs:
            if id(tensor) in place:
                edges.append((place[id(tensor)], here))
        for tensor in node.outputs:
            # Some operations give back what they are given.
            place[id(tensor)] = here
    return boxes, list(dict.fromkeys(edges))


def _described(layer, shape=""):
    details = [shape] if shape else []
    if isinstance(layer, keras.layers.Layer) and layer.built:
        parameters = layer.count_params()
        if parameters:
            details.append(f"{parameters:,} parameters")
    return f"{type(layer).__name__} {layer.name}", " · ".join(details)


def _shape(shape):
    return " × ".join("?" if size is None else str(size) for size in shape[1:])


def _rows(count, edges):
    """How deep each box stands: below all that it needs."""
    rows = [0] * count
    for first, second in sorted(edges, key=lambda edge: edge[1]):
        rows[second] = max(rows[second], rows[first] + 1)
    return rows


def _line(start, end, depth):
    (box_width, box_height), (_, gap_y) = _BOX, _GAP
    x1, y1 = start[0] + box_width / 2, start[1] + box_height
    x2, y2 = end[0] + box_width / 2, end[1]
    # What skips rows goes round the boxes between.
    bow = box_width * 0.58 if depth > 1 and x1 == x2 else 0
    reach = gap_y * 0.8 if depth <= 1 else min(60, (y2 - y1) / 2)
    return (
        f'<path d="M{x1:g},{y1:g} C{x1 + bow * 1.33:g},{y1 + reach:g} '
        f'{x2 + bow * 1.33:g},{y2 - reach:g} {x2:g},{y2:g}" fill="none" '
        'stroke="var(--muted)" stroke-width="1.5"/>'
    )


def _box(corner, title, details):
    (box_width, box_height), (x, y) = _BOX, corner
    shown = title if len(title) <= 28 else title[:27] + "…"
    middle = x + box_width / 2
    return (
        f"<g><title>{html.escape(f'{title}: {details}')}</title>"
        f'<rect x="{x:g}" y="{y:g}" width="{box_width}" '
        f'height="{box_height}" rx="6" fill="var(--surface)" '
        'stroke="var(--line)"/>'
        f'<text x="{middle:g}" y="{y + 16:g}" text-anchor="middle" '
        f'font-size="11" fill="var(--text)">{html.escape(shown)}</text>'
        f'<text x="{middle:g}" y="{y + 30:g}" text-anchor="middle" '
        f'font-size="10" fill="var(--muted)">{html.escape(details)}</text></g>'
    )
