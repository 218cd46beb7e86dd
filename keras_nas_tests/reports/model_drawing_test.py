"""Drawings show each layer once, where it stands."""

import xml.etree.ElementTree as ElementTree

import keras

from keras_nas.reports import draw_model


def parsed(model):
    drawing = draw_model(model)
    # A page needs no namespace.
    return ElementTree.fromstring(drawing)


def boxes(tree):
    return {
        group.find("title").text: (
            float(group.find("rect").get("x")),
            float(group.find("rect").get("y")),
        )
        for group in tree.findall("g")
    }


def test_branches_stand_side_by_side_below_what_they_need():
    inputs = keras.Input((4,), name="data")
    left = keras.layers.Dense(3, name="left")(inputs)
    right = keras.layers.Dense(3, name="right")(inputs)
    model = keras.Model(inputs, keras.layers.Add(name="sum")([left, right]))
    tree = parsed(model)
    found = boxes(tree)
    assert list(found) == [
        "Input data: 4",
        "Dense left: 3 · 15 parameters",
        "Dense right: 3 · 15 parameters",
        "Add sum: 3",
    ]
    places = list(found.values())
    assert places[0][1] < places[1][1] == places[2][1] < places[3][1]
    assert places[1][0] != places[2][0]
    assert len(tree.findall("path")) == 4


def test_names_are_escaped():
    inputs = keras.Input((4,))
    layer = keras.layers.Dense(2, name="<script>alert(1)&amp")
    model = keras.Model(inputs, layer(inputs))
    assert "<script>" not in draw_model(model)
    titles = list(boxes(parsed(model)))
    assert titles[1].startswith("Dense <script>alert(1)&amp:")


def test_a_model_without_a_graph_is_a_list_of_its_layers():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.one = keras.layers.Dense(2, name="one")
            self.two = keras.layers.Dense(1, name="two")

        def call(self, x):
            return self.two(self.one(x))

    model = Subclassed()
    model.build((None, 3))
    tree = parsed(model)
    assert [title.split(":")[0] for title in boxes(tree)] == [
        "Dense one",
        "Dense two",
    ]
    assert len(tree.findall("path")) == 1


def test_a_very_deep_model_is_cut_and_says_so():
    layers = [keras.layers.Activation("relu") for _ in range(320)]
    tree = parsed(keras.Sequential([keras.Input((2,)), *layers]))
    assert len(boxes(tree)) == 300
    texts = [text.text for text in tree.findall("text")]
    assert texts == ["and 21 more layers"]
