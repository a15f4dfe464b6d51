"""The tests that there are, by collecting them, and which mutations they notice, by running those."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from tests.mutations.mutations import mutations
from tests.stage.rotation import ROOT


def collected(*options: str) -> Counter[str]:
    """How many cases each test has, by its file and name."""
    command = [sys.executable, "-m", "pytest", "--collect-only", *options]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return Counter(re.findall(r"^(tests/\S+?\.py::\w+)", said, re.MULTILINE))


def noticed(jobs: int) -> dict[str, bool]:
    """Whether each mutation is noticed by the test that names it, by the mutation's name."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        test = "tests/mutations/test_mutations.py"
        command = [sys.executable, "-m", "pytest", test, "-n", str(jobs), f"--junitxml={report}"]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        passed = {case.get("name", "") for case in ET.parse(report).iter("testcase") if not len(case)}
    # A test that fails in an unchanged copy, too, has noticed nothing.
    is_sound = "test_in_an_unchanged_copy_their_tests_pass" in passed
    return {each.name: is_sound and f"test_it_is_noticed[{each.name}]" in passed for each in mutations()}
