"""The page holds the numbers of the trials, safely, and a browser shows it."""

import json
import os
import re
import shutil
import subprocess
import time

import keras_tuner
import pytest

from keras_nas.reports import SearchResults, html_report, write_html_report
from keras_nas_tests.reports.made_up_projects import (
    make_trial,
    write_large_project,
)

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
EVIL = "</script><script>document.title = 'owned'</script><!--"

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a Chromium: apt-get install chromium"
)


def embedded(page):
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page
    )
    return json.loads(text)


def evil_results():
    """A single objective, with text that would break out of the page."""
    space = keras_tuner.HyperParameters()
    space.Choice("op", [EVIL, "conv"])
    space.Int("units", 1, 99)
    trials = [
        make_trial(
            f"{number}",
            space,
            {"op": EVIL if number % 2 else "conv", "units": units},
            {"val_loss": (loss, "min"), "gain": (float("inf"), "max")},
            score=loss,
        )
        for number, (units, loss) in enumerate([(9, 0.5), (80, 0.25), (7, 1)])
    ]
    trials.append(
        make_trial("3", space, {"op": EVIL}, status="FAILED", message=EVIL)
    )
    return SearchResults(
        trials,
        [keras_tuner.Objective("val_loss", "min")],
        space,
        name=EVIL,
        infeasible=2,
        spent_s=30.0,
    )


def test_the_data_are_the_numbers_of_the_trials():
    data = embedded(html_report(evil_results()))
    assert data["objectives"] == ["val_loss"]
    assert data["metrics"] == ["val_loss", "gain"]
    assert data["directions"] == ["min", "max"]
    assert data["hyperparameters"] == data["varying"] == ["op", "units"]
    # JSON knows no infinity.
    assert [one["metrics"] for one in data["trials"]] == [
        [0.5, None],
        [0.25, None],
        [1.0, None],
        [None, None],
    ]
    assert data["trials"][1]["values"] == [EVIL, 80]
    assert data["progress"] == [0.5, 0.25, 0.25]
    assert data["front"] == [1]
    assert data["best"] == 1
    assert data["failures"] == [[EVIL, 1]]
    assert (data["infeasible"], data["spent_s"]) == (2, 30.0)
    assert "at least 10 completed" in data["importance"][0]["problem"]


def test_text_of_the_search_cannot_become_markup():
    page = html_report(evil_results(), [(EVIL, EVIL, "<svg></svg>")])
    assert page.count("<script") == page.count("</script>") == 2
    assert "<!--" not in page
    assert "<title>&lt;/script&gt;" in page


def test_a_large_search_makes_a_small_page_soon(tmp_path):
    pytest.importorskip("sklearn")
    write_large_project(tmp_path / "search")
    path = tmp_path / "report.html"
    started_s = time.monotonic()
    results = SearchResults.read(tmp_path / "search")
    write_html_report(results, path)
    assert time.monotonic() - started_s < 10
    assert path.stat().st_size < 6e6
    page = path.read_text(encoding="utf-8")
    data = embedded(page)
    assert len(data["trials"]) == 200
    assert data["statuses"] == {"COMPLETED": 188, "FAILED": 12}
    latency = data["importance"][1]
    assert latency["objective"] == "latency_ms"
    # Made of units and of squeeze, and a little of the first block.
    assert {name for name, _ in latency["shares"][:2]} == {"units", "squeeze"}
    # Nothing is asked of a network.
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|url\(""", page)


@pytest.mark.parametrize("name", ["", "nowhere/report.html"])
def test_a_path_that_no_file_can_have_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="Cannot write a report to"):
        write_html_report(evil_results(), tmp_path / name)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        write_html_report(evil_results(), path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.html"]


def browse(page, tmp_path, script=""):
    """Opens a page in Chromium: its elements afterwards, and what it said.

    Args:
        page: String of HTML.
        tmp_path: Folder for files.
        script: String of JavaScript that runs when the page has drawn itself.
    """
    if script:
        page = page.replace("</body>", f"<script>{script}</script></body>")
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    ran = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu"),
            *("--disable-quic", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--enable-logging=stderr"),
            *("--disable-component-update", "--dump-dom"),
            *(f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = [line for line in ran.stderr.splitlines() if "CONSOLE" in line]
    return ran.stdout, said


def rows(dom):
    body = re.search(r'id="trials".*?<tbody>(.*?)</tbody>', dom, re.DOTALL)[1]
    return [
        re.findall(r"<td[^>]*>(.*?)</td>", row)
        for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    ]


@needs_chromium
def test_a_browser_draws_the_page_without_errors(tmp_path):
    write_large_project(tmp_path / "search", num_trials=60)
    results = SearchResults.read(tmp_path / "search")
    dom, said = browse(html_report(results), tmp_path)
    assert said == []
    assert len(rows(dom)) == 60
    front = re.search(r'id="front" class="figure">(.*?)</svg>', dom)[1]
    assert front.count("<circle") == len(results.completed())
    parallel = re.search(r'id="parallel"[^>]*>(.*?)</svg>', dom)[1]
    assert parallel.count("<polyline") == len(results.completed())
    assert "4 × ValueError: too deep" in dom
    assert "6.7 min" in dom


@needs_chromium
def test_evil_text_is_shown_and_does_nothing(tmp_path):
    dom, said = browse(html_report(evil_results()), tmp_path)
    assert said == []
    assert "<title>owned" not in dom
    assert [row[0] for row in rows(dom)] == ["0", "1", "2", "3"]
    assert rows(dom)[1][3].startswith("&lt;/script&gt;")


@needs_chromium
def test_the_table_sorts_and_filters(tmp_path):
    # A click on `units`, twice, and a filter: numbers sort as numbers, and
    # what is missing comes last either way.
    script = """
      const button = (name) => [...document.querySelectorAll("th button")]
        .find((one) => one.textContent === name);
      const trials = () => [...document.querySelectorAll("#trials tbody tr")]
        .map((row) => row.dataset.trial).join();
      const said = [];
      button("units").click(); said.push(trials());
      button("units").click(); said.push(trials());
      said.push(button("units").closest("th").getAttribute("aria-sort"));
      const filter = document.getElementById("filter");
      const type = (text) => {
        filter.value = text;
        filter.dispatchEvent(new Event("input"));
        said.push(trials());
      };
      type("units>=9"); type("conv units<9"); type("val_loss=0.25");
      type("units>many"); type("");
      document.querySelector("#progress circle").dispatchEvent(
        new Event("click"));
      said.push(document.querySelector("tr.selected").dataset.trial);
      document.title = said.join(" ");
    """
    dom, said = browse(html_report(evil_results()), tmp_path, script)
    assert said == []
    title = re.search(r"<title>(.*?)</title>", dom)[1].split(" ")
    assert title == [
        *("2,0,1,3", "1,0,2,3", "descending"),
        *("1,0", "2", "1", "", "1,0,2,3", "0"),
    ]


@needs_chromium
@pytest.mark.parametrize("statuses", [[], ["FAILED"], ["RUNNING"]])
def test_a_search_without_a_completed_trial_has_a_page(statuses, tmp_path):
    space = keras_tuner.HyperParameters()
    space.Int("units", 1, 9)
    trials = [
        make_trial(str(i), space, {"units": 3}, status=status)
        for i, status in enumerate(statuses)
    ]
    objective = keras_tuner.Objective("val_loss", "min")
    dom, said = browse(
        html_report(SearchResults(trials, [objective], space)), tmp_path
    )
    assert said == []
    expected = "No trial has been completed" if statuses else "no trials yet"
    assert expected in dom
