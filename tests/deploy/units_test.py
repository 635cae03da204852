#!/usr/bin/env python3
"""Checks the systemd units of deploy/systemd without starting anything."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

UNITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'deploy', 'systemd')
# systemd-analyze counts in tenths: at most 2.0.
EXPOSURE_MAX_TENTHS = 20


def units():
    return sorted(glob.glob(os.path.join(UNITS, '*.service')))


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False)


class UnitsTest(unittest.TestCase):

    def test_every_daemon_has_a_unit(self):
        self.assertEqual([os.path.basename(path) for path in units()],
                         [f'pointsman-{name}.service' for name in ('agent', 'controller', 'gateway')])

    def test_units_are_exposed_little(self):
        for path in units():
            with self.subTest(unit=os.path.basename(path)):
                done = run('systemd-analyze', 'security', '--offline=yes',
                           f'--threshold={EXPOSURE_MAX_TENTHS}', path)
                self.assertEqual(done.returncode, 0, done.stdout[-400:] + done.stderr)

    def test_units_pass_verification(self):
        # The programs are not installed here: one that is stands in for each.
        with tempfile.TemporaryDirectory() as folder:
            for path in units():
                with open(path, encoding='utf-8') as file:
                    text = re.sub(r'/usr/bin/pointsman-\w+', shutil.which('true'), file.read())
                copy = os.path.join(folder, os.path.basename(path))
                with open(copy, 'w', encoding='utf-8') as file:
                    file.write(text)
                done = run('systemd-analyze', 'verify', '--man=no', copy)
                self.assertEqual((done.returncode, done.stderr), (0, ''))

    def test_units_tell_readiness_and_are_watched(self):
        for path in units():
            with open(path, encoding='utf-8') as file:
                text = file.read()
            for line in ('Type=notify', 'WatchdogSec=', 'Restart=always', 'LimitNOFILE='):
                self.assertIn('\n' + line, text)

    def test_addresses_can_be_set(self):
        # A program takes each of these options once, so a fixed one could not be changed.
        for path in units():
            with open(path, encoding='utf-8') as file:
                text = file.read()
            for option, name in re.findall(r'--(listen|admin) (\S+)', text):
                variable = f'POINTSMAN_{option.upper()}'
                self.assertEqual(name, '${' + variable + '}', path)
                self.assertRegex(text, rf'(?m)^Environment=.*\b{variable}=127\.0\.0\.1:')


if __name__ == '__main__':
    unittest.main()
