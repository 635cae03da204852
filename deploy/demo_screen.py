"""Draws the demo: a table redrawn in place on a terminal, plain lines elsewhere.

Colours only on a terminal and without NO_COLOR. One thread calls.
"""

import os
import shutil
import sys
import textwrap
import time

BAR_CELLS = 12
# Off a terminal the table is printed this often.
PLAIN_SECONDS = 3.0
# Terminals with fewer columns show the notes of rows on lines of their own.
NOTE_BESIDE_COLUMNS = 130
NOTE_INDENT = ' ' * 9

_COLOURS = {'HEALTHY': '32', 'DEGRADED': '33', 'STARTING': '33', 'UNHEALTHY': '31',
            'DRAINING': '36', 'title': '1', 'dim': '2', 'bad': '31', 'good': '32'}


def bar(share, cells=BAR_CELLS):
    """A horizontal bar for a share of 0 to 1, in eighths of a cell."""
    eighths = round(max(0.0, min(1.0, share)) * cells * 8)
    full, rest = divmod(eighths, 8)
    return ('█' * full + ('▏▎▍▌▋▊▉'[rest - 1] if rest else '')).ljust(cells)


class Screen:

    def __init__(self, plain=False):
        self._live = sys.stdout.isatty() and not plain
        self._colour = self._live and 'NO_COLOR' not in os.environ
        self._drawn = 0
        self._last_plain = 0.0

    def paint(self, text, kind):
        code = _COLOURS.get(kind)
        return f'\x1b[{code}m{text}\x1b[0m' if code and self._colour else text

    def say(self, text=''):
        """Lines that stay, above the table; long ones are broken between words."""
        self._erase()
        for line in text.split('\n'):
            print(self._wrapped(line), flush=True)

    def _wrapped(self, line):
        if '\x1b' in line:
            return line  # Painted lines are short.
        indent = line[:len(line) - len(line.lstrip())]
        return textwrap.fill(line, self._width(100), subsequent_indent=indent,
                             drop_whitespace=True, replace_whitespace=False,
                             break_on_hyphens=False) or line

    def _width(self, plain):
        return shutil.get_terminal_size((120, 24)).columns if self._live else plain

    def draw(self, heading, rows):
        """Shows a table. The heading and each row are (cells, note), both lists of (text, kind).

        A note stands beside its row where the terminal is wide enough, below it elsewhere (the
        heading's note is left out then). What is still too long is cut off.
        """
        if not self._live and time.monotonic() - self._last_plain < PLAIN_SECONDS:
            return
        self._last_plain = time.monotonic()
        width = self._width(200)
        lines = self._lines(heading, rows, width)
        self._erase()
        # In one piece: Ctrl-C does not leave half a table.
        print('\n'.join(self._line(cells, width) for cells in lines), flush=True)
        self._drawn = len(lines) if self._live else 0

    @staticmethod
    def _lines(heading, rows, width):
        if width >= NOTE_BESIDE_COLUMNS:
            return [cells + note for cells, note in [heading] + rows]
        lines = [heading[0]]
        for cells, note in rows:
            lines += [cells, [(NOTE_INDENT, None)] + note]
        return lines

    def _line(self, cells, width):
        line = ''
        for text, kind in cells:
            text = text[:max(0, width)]
            width -= len(text)
            line += self.paint(text, kind) if kind else text
        return line.rstrip() if not self._colour else line

    def _erase(self):
        if self._drawn:
            print(f'\x1b[{self._drawn}A\x1b[J', end='')
            self._drawn = 0
