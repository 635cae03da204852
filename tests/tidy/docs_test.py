"""Every stable code, event and metric of the code is in its document, and the tests that documents
name exist."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What is looked for, where, by which pattern, and the document that must have it.
TASKS = [
    ("code", ["controller/core/codes.h"], r'k\w+\[\] = "([A-Z_]+)"', "docs/errors.md"),
    ("code", ["common/core/config_problem.h"], r'= "(CONFIG_[A-Z_]+)"', "docs/errors.md"),
    ("nack", ["gateway/core/slice_state.h"], r'kNack\w+\[\] = "([A-Z_]+)"', "docs/errors.md"),
    ("reason", ["gateway/http/message.cc"], r'\{"([a-z_]+)", [1-9]\d\d\}', "docs/errors.md"),
    (
        "refusal",
        ["controller/*.cc", "controller/rpc/*.cc"],
        r'"([A-Z]+_[A-Z_]+|BUSY)(?:: |"[;,)])',
        "docs/errors.md",
    ),
    ("event", ["controller/core/codes.h"], r'kEvent\w+\[\] = "([a-z_.]+)"', "docs/events.md"),
    (
        "event or log name",
        ["controller/*.cc", "controller/rpc/*.cc"],
        r'"([a-z]+\.[a-z_]+)"',
        "docs/events.md",
    ),
    (
        "metric",
        ["controller/*.cc", "controller/rpc/*.cc", "agent/*.cc", "gateway/*.cc"],
        r'"pointsman_(?:controller|agent|gateway)_([a-z_]+)"',
        "docs/metrics.md",
    ),
]


def missing(task, root=ROOT):
    """Names of one task that its document does not have in code font; and how many were found."""
    _, patterns, wanted, document = task
    text = (root / document).read_text(encoding="utf-8")
    named = set(re.findall(r"[\w.]+", " ".join(re.findall(r"`([^`]+)`", text))))
    found = set()
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            found |= set(re.findall(wanted, path.read_text(encoding="utf-8")))
    return sorted(found - named), len(found)


def unknown_tests(root=ROOT):
    """Tests, as `SuiteTest.Name`, that documents name and no source has."""
    known = set()
    for path in root.glob("tests/**/*_test.cc"):
        source = path.read_text(encoding="utf-8")
        known |= {".".join(two) for two in re.findall(r"TEST(?:_[FP])?\((\w+),\s*(\w+)\)", source)}
    unknown = []
    for path in sorted(root.glob("docs/**/*.md")):
        for span in re.findall(r"`([^`]+)`", path.read_text(encoding="utf-8")):
            if re.fullmatch(r"[A-Z]\w+Test\.\w+", span) and span not in known:
                unknown.append(f"{path.relative_to(root)}: there is no test {span}")
    return unknown


def main():
    failures = unknown_tests()
    for task in TASKS:
        kind, patterns, _, document = task
        names, found = missing(task)
        failures += [f"{document}: {kind} {name} of {patterns} is not described" for name in names]
        if found == 0:
            failures.append(f"no {kind} found in {patterns}: does the pattern still fit?")
    print("\n".join(failures) if failures else "documents have every code, event and metric")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
