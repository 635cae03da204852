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
                             drop_whitespace=True, replace_whitespace=False) or line

    def _width(self, plain):
        return shutil.get_terminal_size((120, 24)).columns if self._live else plain

    def draw(self, rows):
        """Shows the table's lines; `rows` are made of (text, kind) cells."""
        if not self._live and time.monotonic() - self._last_plain < PLAIN_SECONDS:
            return
        self._last_plain = time.monotonic()
        width = self._width(200)
        self._erase()
        for row in rows:
            print(self._line(row, width))
        sys.stdout.flush()
        self._drawn = len(rows) if self._live else 0

    def _line(self, row, width):
        line = ''
        for text, kind in row:
            text = text[:max(0, width)]
            width -= len(text)
            line += self.paint(text, kind) if kind else text
        return line.rstrip() if not self._colour else line

    def _erase(self):
        if self._drawn:
            print(f'\x1b[{self._drawn}A\x1b[J', end='')
            self._drawn = 0
