#!/usr/bin/env python3
"""The demo's table on a wide terminal, on one of 80 columns, and off a terminal."""

import contextlib
import io
import os
import re
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', '..', 'deploy'))

from demo_screen import Screen  # noqa: E402

HEADING = ([('backend  weight'.ljust(72), 'title')], [('  why', 'title')])
WHY = '1 check passes; gets less: in_flight 0.15, mean 0.41'
ROW = ([('web-1'.ljust(72), None)], [('  ' + WHY, 'dim')])


class Terminal(io.StringIO):

    def isatty(self):
        return True


def shown(out, columns, use):
    """The lines that stand on `out` after use(screen)."""
    environment = {'COLUMNS': str(columns), 'LINES': '24', 'NO_COLOR': '1'}
    with mock.patch.dict(os.environ, environment), contextlib.redirect_stdout(out):
        use(Screen())
    lines = []
    for line in out.getvalue().split('\n'):
        for up in re.findall('\x1b\\[([0-9]+)A\x1b\\[J', line):
            del lines[-int(up):]
        lines.append(re.sub('\x1b\\[[0-9]*[A-Z]', '', line).rstrip())
    return lines[:-1]


class ScreenTest(unittest.TestCase):

    def test_note_stands_beside_its_row_where_there_is_room(self):
        lines = shown(Terminal(), 160, lambda screen: screen.draw(HEADING, [ROW]))
        self.assertEqual(lines, ['backend  weight'.ljust(72) + '  why',
                                 'web-1'.ljust(72) + '  ' + WHY])

    def test_note_is_whole_on_a_line_of_its_own_at_80_columns(self):
        lines = shown(Terminal(), 80, lambda screen: screen.draw(HEADING, [ROW]))
        self.assertEqual([line.strip() for line in lines], ['backend  weight', 'web-1', WHY])
        self.assertLessEqual(max(map(len, lines)), 80)

    def test_next_table_takes_the_place_of_the_last(self):
        def use(screen):
            screen.draw(HEADING, [ROW, ROW])
            screen.draw(HEADING, [ROW])
            screen.say('Act 1.')
            screen.draw(HEADING, [ROW])
        lines = shown(Terminal(), 80, use)
        self.assertEqual([line.strip() for line in lines],
                         ['Act 1.', 'backend  weight', 'web-1', WHY])

    def test_words_and_names_are_not_torn(self):
        # "web-" would still fit on the first line.
        text = '   ' + 'x' * 72 + ' web-one comes back'
        lines = shown(Terminal(), 80, lambda screen: screen.say(text))
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertEqual(' '.join(lines).split(), text.split())

    def test_off_a_terminal_each_row_is_one_line(self):
        lines = shown(io.StringIO(), 80, lambda screen: screen.draw(HEADING, [ROW]))
        self.assertEqual(len(lines), 2)


if __name__ == '__main__':
    unittest.main()
