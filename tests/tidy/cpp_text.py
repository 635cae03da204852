"""C++ source as text: comments and strings blanked, includes, and where functions begin and end.

Heuristics for code that clang-format has formatted; a compiler decides everything else.
"""

import re

_TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^()\s\\]{0,16})\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-zA-Z_])\'(?:\\.|[^\'\\\n])+\'', re.S)
_SCOPE = re.compile(r'^(?:template\s*<.*?>\s*)?(?:inline\s+)?(?:typedef\s+)?'
                    r'(?:namespace|class|struct|union|enum|extern)\b', re.S)


def blank(text, keep_strings=False):
    """The text with comments (and strings) replaced by spaces; line breaks stay."""
    def replace(match):
        token = match.group(0)
        if keep_strings and not token.startswith('/'):
            return token
        return re.sub(r'[^\n]', ' ', token)
    return _TOKENS.sub(replace, text)


def includes(text):
    """(line number, name, is_system) of each #include outside comments."""
    found = []
    for number, line in enumerate(blank(text, keep_strings=True).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
        if match:
            found.append((number, match.group(1) or match.group(2), match.group(2) is not None))
    return found


def functions(text):
    """(first line, last line) of each function body at namespace or class level."""
    code = re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', lambda m: re.sub(r'[^\n]', ' ', m.group(0)),
                  blank(text), flags=re.M)
    spans = []
    stack = []  # Of (kind, first line, head before the brace).
    head = ''
    line = 1
    for index, char in enumerate(code):
        if char == '\n':
            line += 1
        if char == '{':
            kind = _brace_kind(stack, head, code[index - 1])
            stack.append((kind, line, head))
            head = '' if kind != 'value' else head + char
        elif char == '}' and stack:
            kind, first, before = stack.pop()
            if kind == 'function':
                spans.append((first, line))
            head = before + '{}' if kind == 'value' else ''
        elif char == ';' and (not stack or stack[-1][0] != 'value'):
            head = ''
        else:
            head += char
    return spans


def _brace_kind(stack, head, previous):
    if stack and stack[-1][0] != 'scope':
        return 'value' if stack[-1][0] == 'value' else 'block'
    head = re.sub(r'^\s*(?:public|private|protected)\s*:', '', head).strip()
    if _SCOPE.match(head) and '(' not in re.sub(r'\b\w+\([^()]*\)', '', head):
        return 'scope'
    # clang-format writes a member's initialiser without a space before the brace.
    if head.endswith('=') or '(' not in head or re.match(r'[\w>]', previous):
        return 'value'
    return 'function'


def iterated_hash_containers(text, header_text):
    """(line, name) of each loop over a container declared with a hash in the file or its header.

    A loop whose line, or the line above it, has a comment on its order is left out.
    """
    declared = set()
    pattern = re.compile(r'\b(?:flat_hash_map|flat_hash_set|node_hash_map|node_hash_set|'
                         r'unordered_map|unordered_set)\s*<')
    for source in (blank(text), blank(header_text)):
        for match in pattern.finditer(source):
            name = re.match(r'[\s&]*(\w+)\s*[;={(,)]', source[_angle_end(source, match.end()):])
            if name:
                declared.add(name.group(1))
    found = []
    originals = [''] + text.splitlines()
    for number, line in enumerate(blank(text).splitlines(), 1):
        if re.search(r'//.*\border\b', originals[number - 1] + '\n' + originals[number]):
            continue
        loop = re.search(r'\bfor\s*\(.*[^:]:\s*\*?(?:\w+(?:\.|->))*(\w+)\s*\)', line)
        begin = re.search(r'\b(\w+)(?:\.|->)c?begin\(', line)
        for match in (loop, begin):
            if match and match.group(1) in declared:
                found.append((number, match.group(1)))
    return found


def _angle_end(source, start):
    depth = 1
    index = start
    while depth > 0 and index < len(source):
        depth += {'<': 1, '>': -1}.get(source[index], 0)
        index += 1
    return index
