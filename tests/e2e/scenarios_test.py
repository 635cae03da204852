#!/usr/bin/env python3
"""What the scenarios judge by must be able to fail; no process is started here."""

import unittest

import scenarios


def table(weight, routable=True):
    return {'web-1': (routable, weight), 'web-2': (True, 1000)}


class JumpsTest(unittest.TestCase):

    def test_bounded_steps_are_none(self):
        self.assertEqual(scenarios._jumps([table(1000), table(500), table(625), table(625)]), [])

    def test_a_larger_step_is_one(self):
        self.assertEqual(scenarios._jumps([table(500), table(1000), table(1000)]),
                         [('web-1', 500, 1000)])
        self.assertEqual(scenarios._jumps([table(1000), table(400)]), [('web-1', 1000, 400)])

    def test_appearing_with_a_weight_is_one(self):
        self.assertEqual(scenarios._jumps([{'web-2': (True, 1000)}, table(1000)]),
                         [('web-1', 0, 1000)])


if __name__ == '__main__':
    unittest.main()
