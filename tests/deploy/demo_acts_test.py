#!/usr/bin/env python3
"""The demo's bar on weights must be able to fail."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', '..', 'deploy'))

import demo_acts  # noqa: E402
from demo_stage import BACKENDS  # noqa: E402


def table(**weights):
    """Every backend routable at 1000, but for those named."""
    return {name: (True, weights.get(name.replace('-', '_'), 1000)) for name in BACKENDS}


class JumpedTest(unittest.TestCase):

    def test_bounded_steps_are_no_jump(self):
        steps = [table(web_1=1000), table(web_1=1250), table(web_1=1000), table(web_1=700)]
        self.assertEqual(demo_acts.jumped(table(), steps), [])

    def test_one_large_step_is(self):
        self.assertEqual(demo_acts.jumped(table(), [table(web_2=1300)]), ['web-2 from 1000 to 1300'])
        self.assertEqual(demo_acts.jumped(table(), [table(web_2=480)]), ['web-2 from 1000 to 480'])

    def test_falling_far_in_small_steps_is(self):
        steps = [table(web_3=750), table(web_3=560), table(web_3=420)]
        self.assertEqual(demo_acts.jumped(table(), steps), ['web-3 from 560 to 420'])

    def test_coming_back_at_once_after_a_reset_is(self):
        steps = [table(web_4=600), table(web_4=1000)]
        self.assertEqual(demo_acts.jumped(table(), steps), ['web-4 from 600 to 1000'])


if __name__ == '__main__':
    unittest.main()
