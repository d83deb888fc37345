"""The verdict on the page of a remote run; tests/e2e/test_run_node.py runs the whole task."""

from components.contracts.evidence import Verdict
from pipeline import run_summary
from tests.components.evidence_records import make_verdict


def test_a_name_in_a_reason_is_text():
    report = make_verdict(
        verdict=Verdict.NOT_BLESSED, reason="class a\n# blessed\n recalled 0.1", warnings=("<img src=x> [b](c)\x1b[2K",)
    )
    lines = run_summary._verdict_text(report, {}).splitlines()
    assert [line for line in lines if line.startswith("#")] == ["# not blessed"]
    assert r"class a \# blessed recalled 0.1" in lines
    assert r"- warning: &lt;img src=x&gt; \[b\](c)\\x1b\[2K" in lines
