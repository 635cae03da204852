#!/usr/bin/env python3
"""Checks a tree against rules.py. Usage: tidy_test.py [ROOT]. Exit code 1: findings."""

import os
import sys

import rules


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, '..', '..')
    tree = rules.Tree(root)
    findings = []
    for rule in rules.RULES:
        found = sorted(set(rule(tree)))
        findings += [f'{line} [{rule.__name__}]' for line in found]
    for line in findings:
        print(line)
    print(f'tidy: {len(tree.files)} files, {len(rules.RULES)} rules, {len(findings)} findings')
    return 1 if findings else 0


if __name__ == '__main__':
    sys.exit(main())
