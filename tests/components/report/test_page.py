"""The page as a whole: its text, that it is one file, and that nothing untrusted becomes markup."""

import base64
import dataclasses
import hashlib
import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from components.contracts.evidence import Check, CheckName, FeatureKind, Verdict
from components.contracts.push_record import RegisteredVersion
from components.report.config import ReportConfig
from components.report.page import render_comparison, render_page
from tests.components.evidence_records import make_entry, with_encoder


class Page(html.parser.HTMLParser):
    """Elements, their text, and the addresses that a browser would load."""

    _VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, content: str):
        super().__init__()
        self.content, self.text, self.tags, self.ids, self.addresses = content, [], [], [], []
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self._VOID:
            self._open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "srcset", "action", "xlink:href"):
                self.addresses.append(value)
            assert not name.startswith("on"), f"{tag} {name}={value}"

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self._VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, tag

    def handle_data(self, data):
        if not self._open or self._open[-1] not in ("script", "style"):
            self.text.append(data)

    def says(self, *texts: str) -> bool:
        said = " ".join(" ".join(self.text).replace("\N{NO-BREAK SPACE}", " ").split())
        missing = [text for text in texts if text not in said]
        assert not missing, f"{missing} not in {said}"
        return True


@pytest.fixture
def page(record) -> Page:
    return Page(render_page(record, ReportConfig(title="Small & tidy"), None))


def test_the_verdict_comes_first_with_its_reason(page):
    assert page.says(
        "Small & tidy Not blessed Test accuracy 0.8333 is 0.0667 below min_accuracy 0.9", "Nothing was pushed."
    )
    assert ("div", {"class": "verdict bad", "role": "status"}) in page.tags
    assert page.says(
        "min accuracy accuracy is too low 0.8333 0.9 ✗ not met", "min test images enough images 12 5 ✓ met"
    )
    assert page.says("the gap is large", "c" * 64)
    assert page.says("of other models, 4 were blessed on the same test images before")


@pytest.mark.parametrize(
    ("verdict", "style", "heading"),
    [(Verdict.BLESSED, "good", "Blessed"), (Verdict.UNCHANGED, "same", "Unchanged")],
)
def test_each_verdict_has_its_dress(record, verdict, style, heading):
    changed = dataclasses.replace(record, verdict=dataclasses.replace(record.verdict, verdict=verdict))
    page = Page(render_page(changed, ReportConfig(title="T"), None))
    assert ("div", {"class": f"verdict {style}", "role": "status"}) in page.tags
    assert page.says(f"T {heading}")


@pytest.mark.parametrize(
    ("push", "sentence"),
    [
        ({"is_new": True, "is_in_use": True}, "Pushed as enc version 7."),
        ({"is_new": False, "is_in_use": True}, "Already in the registry as enc version 7."),
        ({"is_new": False, "is_in_use": False}, "another version is in use since a rollback"),
    ],
)
def test_the_page_says_what_became_of_the_model(record, push, sentence):
    version = RegisteredVersion(
        **push,
        model_name="enc",
        version=7,
        content_digest="c" * 64,
        files_digest=None,
        directory="/registry/enc/7",
        source="/m",
        server=None,
    )
    pushed = dataclasses.replace(record, push=dataclasses.replace(record.push, registered=version))
    assert Page(render_page(pushed, ReportConfig(), None)).says(sentence)


def test_the_numbers_of_the_probe_are_there(page):
    assert page.says("Test accuracy, all labels 83.3 % 73.3 to 88.3 % on 12 images")
    assert page.says("Accuracy, 10 % of labels 60.0 % ± 8.2 over 3 draws")
    assert page.says("encoder 6 83.33 % (73.3 to 88.3 %)", "random encoder 6 75.00 %", "raw pixels 6 70.00 %")
    assert page.says("random encoder, 10 % of labels +5.0 +3.0 to +7.0 better")
    assert page.says(
        "raw pixels, kNN +1.0 -1.0 to +3.0 not told apart", "raw pixels, 100 % of labels -3.0 -5.0 to -1.0 worse"
    )
    assert page.says("encoder 10 % 6 60.00 % 8.16 50.0, 60.0, 70.0")
    assert "AUROC" not in page.content


def test_missed_checks_come_first_and_evidence_last(record):
    names = {CheckName.SAME_MODEL: True, CheckName.MIN_ACCURACY: True, CheckName.PROBE_AGREES: False}
    checks = tuple(Check(name=name, passed=passed, text="", value=1, threshold=1) for name, passed in names.items())
    changed = dataclasses.replace(record, verdict=dataclasses.replace(record.verdict, checks=checks))
    content = render_page(changed, ReportConfig(), None)
    places = [content.index(f'<th scope="row">{name}') for name in ("probe agrees", "min accuracy", "same model")]
    assert places == sorted(places)


def test_auroc_is_shown_where_it_exists(record):
    probe = with_encoder(record.probe, auroc=0.98765)
    assert Page(render_page(dataclasses.replace(record, probe=probe), ReportConfig(), None)).says("AUROC", "0.9877")


def test_calibration_is_drawn_and_told(page):
    assert page.says("expected calibration error 6.25 points (5.00 to 12.50)", "6 70.00 % 66.67 % 36.7 to 66.7 %")
    assert page.says("ideal")


def test_what_changed_since_the_model_in_use_is_told(record, earlier_record):
    page = Page(render_page(record, ReportConfig(), earlier_record))
    assert page.says("Compared with run 20251231-120000", "gate.min_accuracy 0.5 0.9")
    assert page.says("Right before, wrong now: 2", "Wrong before, right now: 2", "before: dog, 80 %")


@pytest.mark.parametrize(
    ("in_use", "sentence"),
    [
        (None, "No other model was in use"),
        (make_entry("f" * 64), "The run of the model in use, ffffffffffff, left no report"),
        (make_entry("c" * 64), "This model is the one in use."),
    ],
)
def test_where_nothing_can_be_compared_the_page_says_why(record, in_use, sentence):
    verdict = dataclasses.replace(record.verdict, in_use=in_use)
    assert Page(render_page(dataclasses.replace(record, verdict=verdict), ReportConfig(), None)).says(sentence)


def test_two_runs_side_by_side(record, earlier_record):
    page = Page(render_comparison(earlier_record, record, ReportConfig(title="T")))
    assert page.says("T: two runs side by side A: run 20251231-120000 Blessed It was the first")
    assert page.says("B: run 20260131-120000 Not blessed", "Right with A, wrong with B: 2", "B: cat, 80 %")


def test_confusions_are_counted(page):
    assert page.says("cat 3 1 · 75.0 %", "dog · 4 · 100.0 %", "cat dog 1 25.0 %")
    titles = [attributes.get("title") for _, attributes in page.tags]
    assert "1 of 4 images of cat taken for dog" in titles


def test_many_classes_are_told_by_pairs_and_recalls(record):
    names = tuple(f"class {index}" for index in range(40))
    matrix = 5 * np.eye(40, dtype=int)
    matrix[2, [2, 3]] = 4, 1
    matrix[7, [7, 8]] = 1, 4
    encoder = dataclasses.replace(record.probe.encoder, confusion=tuple(map(tuple, matrix.tolist())))
    probe = dataclasses.replace(record.probe, class_names=names, features={FeatureKind.ENCODER: encoder})
    page = Page(render_page(dataclasses.replace(record, probe=probe), ReportConfig(), None))
    assert page.says("class 7 class 8 4 80.0 % class 2 class 3 1 20.0 %", "class 7 20.0 % 5 class 2 80.0 % 5")
    assert 'class="confusion"' not in page.content


def test_mistakes_and_neighbours_are_shown(page):
    assert page.says("2 of 2 misclassified test images, the most confident first.")
    confident, other = page.content.index("taken for cat, 80"), page.content.index("taken for dog, 70")
    assert confident < other
    assert page.says("cat right cat 0.90 cat 0.80 dog 0.70")


def test_pretraining_is_drawn_and_told(page):
    assert page.says("epochs 5", "loss at chance 3.434", "last loss 2.6", "time 1 min 35 s", "resumed at step 8")
    headings = [
        "Loss",
        "Finding the partner, and the class",
        "Alignment and uniformity",
        "Effective rank",
        "Learning rate",
    ]
    assert page.says(*headings, "chance", "kNN")


def test_the_trials_of_the_tuner_are_told(page, record):
    assert page.says("trial temperature batch size kNN accuracy time outcome")
    assert page.says("1 0.2 256 80.0 % 1 min 1 s the config's own values", "2 0.3142 256 90.0 % 1 min 1 s taken")
    assert page.says('3 0.1 256 1 min 1 s failed: it <script>alert("x")</script> blew up')
    assert page.says("a training of 20 epochs, judged by kNN among 100 held-out images")
    assert page.says("One standard error of so few images is 3.0 %")
    pretraining = dataclasses.replace(record.pretraining, tuned={"temperature": 0.31416})
    tuned = Page(render_page(dataclasses.replace(record, pretraining=pretraining, tuning=None), ReportConfig(), None))
    assert tuned.says("temperature, from the Tuner 0.3142")
    assert "Trials of the Tuner" not in tuned.content


def test_a_method_without_chance_is_drawn_and_told(record):
    """BYOL has neither a chance loss nor top-1 and top-5."""
    history = tuple(
        dataclasses.replace(epoch, chance=None, top1=None, top5=None) for epoch in record.pretraining.history
    )
    plan = dataclasses.replace(record.pretraining.plan, method="byol", chance_loss=None, momentum=0.99)
    pretraining = dataclasses.replace(record.pretraining, history=history, plan=plan)
    page = Page(render_page(dataclasses.replace(record, pretraining=pretraining), ReportConfig(), None))
    assert page.says("method byol", "momentum of the following weights, at first 0.99")
    assert page.says("It has no chance value")
    assert "loss at chance" not in page.content
    assert "top-5</text>" not in page.content


def test_data_quality_is_told(page):
    assert page.says(
        "cat 30 4 dog 20 4", "all 60 12", "exact duplicates left out 3", "1 file could not be read as an image"
    )
    assert page.says("images of train that look like one of test: the first 2", "dog/4.png dog/test-9.png 2")
    assert page.says(
        "duplicate: 3 files", "dog/0.png as dog/9.png", "truncated: 1 file", "largest to smallest train class 3.00 to 1"
    )


def test_the_window_is_told_span_by_span(page):
    assert page.says("trained on train test unlabeled span 4 60 12 span 3 41 7 all 101 12 7")
    assert page.says("left out, because a span has them in test 5", "because a span has them too 19")


def test_drift_is_told_with_its_limit(page, record):
    assert page.says("Span 4 beside span 3", "train pixel mean 120.1 ± 9 90.2 ± 8 0.3125 0.2 drifted")
    assert page.says("split test is not compared: 12 images before")
    accepted = dataclasses.replace(record, drift=dataclasses.replace(record.drift, is_accepted=True))
    assert Page(render_page(accepted, ReportConfig(), None)).says("0.3125 0.2 drifted, accepted")
    first = dataclasses.replace(record.drift, baseline_span=None, comparisons=())
    shown = Page(render_page(dataclasses.replace(record, drift=first), ReportConfig(), None))
    assert shown.says("Drift from span to span split test is not compared")


def test_views_are_told(page):
    assert page.says("images, train 60", "stored views per image 4", "size 8 × 8 px, RGB", "bytes 12 kB")
    assert ("img", "width:528px") in [(tag, attributes.get("style")) for tag, attributes in page.tags]


def test_long_lists_of_refused_files_are_cut(record):
    page = Page(render_page(record, ReportConfig(quarantine_files=2), None))
    assert page.says("duplicate: 3 files", "and 1 more")
    assert "dog/2.png" not in page.content


def test_time_settings_and_versions_are_told(page):
    assert page.says("ImageExampleGen 5.0 s 72 14.4", "Trainer 1 min 35 s 320 3.37", "Time 1 min 40 s")
    assert page.says("pipeline_name small", "min_accuracy 0.9", "python 3.10")


def test_nothing_is_loaded_from_elsewhere(page):
    assert page.addresses
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert not re.search(r"@import|url\((?!\"data:)", page.content)
    policy = next(attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_only_the_pages_own_script_may_run(page):
    scripts = re.findall(r"<script>(.*?)</script>", page.content, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.content


def test_names_of_classes_and_files_stay_text(page):
    assert page.says('<script>alert("x")</script>', '<img src=x onerror="alert(1)">.png')
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 2
    assert all(attributes.get("src") != "x" for tag, attributes in page.tags if tag == "img")


def test_the_script_gets_the_points_of_the_map(page):
    found = re.search(r'<script type="application/json" id="map-points">(.*?)</script>', page.content, re.DOTALL)
    points = json.loads(found.group(1))
    assert len(points) == page.content.count("<circle") - _chart_circles(page) == 12
    assert {point["label"] for point in points} == {"cat", "dog", '<script>alert("x")</script>'}
    assert points[10] == {"label": '<script>alert("x")</script>', "predicted": "cat", "cell": "--column:2;--row:2"}
    assert points[11]["cell"] is None


def _chart_circles(page: Page) -> int:
    return page.content.count('class="dot"')


def test_the_map_can_be_switched_off_and_cut(record):
    assert Page(render_page(record, ReportConfig(embedding_map_images=0), None)).says(
        "The map is switched off by its setting."
    )
    assert Page(render_page(record, ReportConfig(embedding_map_images=6), None)).says("t-SNE of 6 test images")


def test_the_same_run_gives_the_same_page(record):
    assert render_page(record, ReportConfig(), None) == render_page(record, ReportConfig(), None)


def test_identifiers_are_unique_and_links_lead_somewhere(page):
    assert len(set(page.ids)) == len(page.ids)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)


_WITHOUT_TFX = """
import runpy, sys
for name in ("tfx", "apache_beam", "ml_metadata", "tensorflow"):
    sys.modules[name] = None  # importing it now fails
from components.report.config import ReportConfig
from components.report.page import render_page
record = runpy.run_path(sys.argv[1])["make_record"]()
print(len(render_page(record, ReportConfig(), record)))
"""


def test_the_page_needs_no_tfx():
    command = [sys.executable, "-c", _WITHOUT_TFX, str(pathlib.Path(__file__).with_name("conftest.py"))]
    found = subprocess.run(command, cwd=pathlib.Path(__file__).parents[3], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


_BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(_BROWSER is None, reason="needs Chromium: install it, then `make test`")
@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_a_browser_shows_the_page_without_a_complaint(record, earlier_record, tmp_path, kind):
    path = tmp_path / f"{kind}.html"
    if kind == "report":
        path.write_text(render_page(record, ReportConfig(), earlier_record), encoding="utf-8")
    else:
        path.write_text(render_comparison(earlier_record, record, ReportConfig()), encoding="utf-8")
    command = [_BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr",
        "--v=0",
        "--dump-dom",
        path.as_uri(),
    ]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0
    assert "Not blessed" in found.stdout
    assert "CONSOLE" not in found.stderr, found.stderr
