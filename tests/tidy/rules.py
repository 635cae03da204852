"""The rules that keep the tree as ARCHITECTURE.md and CONTRIBUTING.md describe it.

Each rule is a function of a Tree that yields findings "path:line: what is wrong; what to do". All
of them are listed in RULES; tidy_selftest.py shows for each that it can fail.
"""

import ast
import os
import re

import cpp_text
import layers

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70

_SKIPPED = re.compile(r'^(build|build-.*|\.git|\.cache|__pycache__|corpus)$')
_TEXT = re.compile(r'\.(cc|h|py|sh|proto|md|txt|cmake|json|yaml|yml|service)$|(^|/)CMakeLists\.txt$|'
                   r'^\.ci/run$')


class Tree:
    """The text files under a root, read once."""

    def __init__(self, root):
        self.files = {}
        for folder, names, files in os.walk(root):
            names[:] = sorted(n for n in names if not _SKIPPED.match(n))
            for name in sorted(files):
                path = os.path.relpath(os.path.join(folder, name), root)
                if _TEXT.search(path):
                    with open(os.path.join(folder, name), encoding='utf-8') as file:
                        self.files[path] = file.read()
        self._includes = {}

    def cpp(self):
        return [(p, t) for p, t in self.files.items() if p.endswith(('.cc', '.h'))]

    def includes(self, path):
        if path not in self._includes:
            self._includes[path] = cpp_text.includes(self.files.get(path, ''))
        return self._includes[path]

    def reached(self, path):
        """(line, name, is_system, chain) of everything `path` includes, through our files too."""
        seen = set()
        queue = [(path, None, [])]
        while queue:
            current, first_line, chain = queue.pop(0)
            for line, name, system in self.includes(current):
                if name in seen:
                    continue
                seen.add(name)
                yield first_line or line, name, system, chain
                if name in self.files:
                    queue.append((name, first_line or line, chain + [name]))


def _through(chain):
    return ' (through ' + ' -> '.join(chain) + ')' if chain else ''


def layer_order(tree):
    for path, _ in tree.cpp():
        for line, name, system, chain in tree.reached(path):
            if not system and not layers.allowed(path, name):
                yield (f'{path}:{line}: {layers.row_of(path)}/ may not include {name}'
                       f'{_through(chain)}; move the decision down or the I/O up')


def grpc_only_in_shells(tree):
    for path, _ in tree.cpp():
        if layers.row_of(path) not in layers.NO_GRPC:
            continue
        for line, name, _, chain in tree.reached(path):
            if name.startswith(('grpc/', 'grpcpp/')) or name.endswith('.grpc.pb.h'):
                yield (f'{path}:{line}: includes {name}{_through(chain)}; gRPC belongs into '
                       'common/rpc, controller/rpc and other shells')


# What a core must not include -> what to do instead.
_CORE_INCLUDES = [
    (r'(chrono|ctime|time\.h|absl/time/clock\.h)$', 'take `now` as a common::MonotonicTime'),
    (r'(thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|pthread\.h)$',
     'a core has one owner thread; put the lock into the shell'),
    (r'absl/synchronization/', 'a core has one owner thread; put the lock into the shell'),
    (r'(sys/|netinet/|arpa/|net/|netdb\.h|unistd\.h|poll\.h|fcntl\.h)',
     'return an effect and let the shell do the I/O'),
    (r'(fstream|iostream|filesystem)$', 'return an effect and let the shell do the I/O'),
    (r'(spdlog/|common/log\.h)', 'return an event and let the shell log it'),
    (r'(httplib|curl/|sqlite3|CLI/)', 'return an effect and let the shell do the I/O'),
]
# Words a core must not use -> what to do instead.
_CORE_WORDS = [
    (r'std::chrono', 'take `now` as a common::MonotonicTime'),
    (r'\babsl::Now\b|\bSystemClock\b|\bclock_gettime\b|\bgettimeofday\b|(?<![\w.>:])time\s*\(',
     'take `now` as a common::MonotonicTime'),
    (r'(?<![\w.>])(?:std::)?s?rand\s*\(|\brandom_device\b|\babsl::BitGen\b|\bInsecureBitGen\b',
     'take an absl::BitGenRef'),
    (r'\bstd::(?:cout|cerr|clog)\b|(?<![\w.>])(?:std::)?f?printf\s*\(|\bSPDLOG_',
     'return an event and let the shell log it'),
    (r'\bgetenv\b|\bfopen\b|\bsocket\s*\(', 'return an effect and let the shell do the I/O'),
    (r'\bstd::(?:thread|mutex|lock_guard|unique_lock)\b',
     'a core has one owner thread; put the lock into the shell'),
]
# The place where a broken invariant ends the process.
_CORE_EXEMPT = {'common/core/check.h'}


def cores_are_pure(tree):
    for path, text in tree.cpp():
        if not layers.is_core(path) or path in _CORE_EXEMPT:
            continue
        for line, name, _, chain in tree.reached(path):
            if chain and chain[-1] in _CORE_EXEMPT:
                continue
            for pattern, instead in _CORE_INCLUDES:
                if re.match(pattern, name):
                    yield f'{path}:{line}: core includes <{name}>{_through(chain)}; {instead}'
            if name == 'atomic' and not (chain or [path])[-1].startswith('gateway/core/'):
                yield f'{path}:{line}: core includes <atomic>; only gateway/core may, with a comment'
        for number, code in enumerate(cpp_text.blank(text).splitlines(), 1):
            for pattern, instead in _CORE_WORDS:
                if re.search(pattern, code):
                    yield f'{path}:{number}: core uses "{code.strip()}"; {instead}'


# Every way to the wall clock, which may jump.
_WALL_CLOCK = re.compile(
    r'\bWallNow\b|\babsl::Now\b|\bsystem_clock\b|\bCLOCK_REALTIME\b|\bgettimeofday\b'
    r'|\btimespec_get\b|\bftime\s*\(|(?<![\w.>:])(?:std::|::)?time\s*\(')
# What shows it to people, and decides nothing by it.
_WALL_CLOCK_SHOWN = {'gateway/proxy/access_log.cc'}


def wall_clock_decides_nothing(tree):
    for path, text in tree.cpp():
        if not path.startswith(('gateway/', 'agent/')) or path in _WALL_CLOCK_SHOWN:
            continue
        for number, code in enumerate(cpp_text.blank(text).splitlines(), 1):
            if _WALL_CLOCK.search(code):
                yield (f'{path}:{number}: reads the wall clock in "{code.strip()}"; decide by '
                       'common::Clock::Now(), which never jumps')


def cores_do_not_iterate_hashes(tree):
    for path, text in tree.cpp():
        if not layers.is_core(path):
            continue
        header = tree.files.get(path[:-3] + '.h', '') if path.endswith('.cc') else ''
        for line, name in cpp_text.iterated_hash_containers(text, header):
            yield (f'{path}:{line}: iterates over the hash container {name}; use std::map or a '
                   'sorted vector (the same inputs must give the same effects), or say in a '
                   'comment above why the order does not matter')


def compilers_of_debian_12(tree):
    for path, _ in tree.cpp():
        for line, name, system in tree.includes(path):
            instead = {'ranges': '<algorithm>', 'format': 'absl::StrFormat',
                       'source_location': 'a macro'}.get(name)
            if system and instead:
                yield f'{path}:{line}: includes <{name}>; use {instead}'


def heavy_headers_stay_in_one_file(tree):
    heavy = re.compile(r'(CLI/|nlohmann/|yaml-cpp/|spdlog/|httplib)')
    for path, _ in tree.cpp():
        if path.endswith('.h') and not path.startswith('tests/'):
            for line, name, _ in tree.includes(path):
                if heavy.match(name):
                    yield (f'{path}:{line}: header includes {name}; hide it behind one .cc, it '
                           'costs every includer seconds')


def headers_open_properly(tree):
    for path, text in tree.cpp():
        if not path.endswith('.h'):
            continue
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines or lines[0] != '#pragma once':
            yield f'{path}:1: begins without "#pragma once"'
        elif len(lines) < 2 or not lines[1].startswith('//'):
            yield f'{path}:2: no opening comment: what it does, thread-safety, ownership'


def cores_are_tested(tree):
    for path, _ in tree.cpp():
        if not layers.is_core(path) or not path.endswith('.cc'):
            continue
        stem = path[:-3]
        test = 'tests/' + stem + '_test.cc'
        if test in tree.files or (stem + '.h' not in tree.files and _class_is_tested(tree, path)):
            continue
        yield f'{path}:1: has no test; write {test}'


def _class_is_tested(tree, path):
    """For a part of a class, service_health.cc of service_state.h: a test reaches that header."""
    folder, name = path.rsplit('/', 1)
    headers = {included for _, included, _ in tree.includes(path)
               if included.startswith(f"{folder}/{name.split('_')[0]}_")}
    tests = [other for other in tree.files
             if other.startswith(f'tests/{folder}/') and other.endswith('_test.cc')]
    return any(reached in headers for test in tests for _, reached, _, _ in tree.reached(test))


def sizes(tree):
    for path, text in tree.files.items():
        if not path.endswith(('.cc', '.h', '.py', '.sh', '.proto')):
            continue
        lines = text.count('\n')
        if lines > FILE_LINES_MAX:
            yield f'{path}:1: {lines} lines, at most {FILE_LINES_MAX}; split it by what it decides'
        for first, last in _function_spans(path, text):
            if last - first + 1 > FUNCTION_LINES_MAX:
                yield (f'{path}:{first}: function of {last - first + 1} lines, at most '
                       f'{FUNCTION_LINES_MAX}; split it')


def _function_spans(path, text):
    if path.endswith(('.cc', '.h')):
        return cpp_text.functions(text)
    if path.endswith('.py'):
        return [(node.lineno, node.end_lineno) for node in ast.walk(ast.parse(text))
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return []


def _lines_matching(tree, pattern, message, only=None, exempt=()):
    for path, text in tree.files.items():
        if path.startswith(tuple(exempt)) or (only and not only(path)):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            match = re.search(pattern, line)
            if match:
                yield f'{path}:{number}: "{match.group(0).strip()}": {message}'


def no_paths_of_one_machine(tree):
    yield from _lines_matching(tree, r'(?<![\w.~$}<*-])/(?:work|root|home|farm)/',
                               'a path of one machine; use a relative path or an option',
                               exempt=['tests/tidy/'])


def nothing_is_left_for_later(tree):
    yield from _lines_matching(tree, r'\b(?:TODO|FIXME|XXX|HACK)\b',
                               'finish it, or write it as a limit of what exists',
                               exempt=['tests/tidy/'])


def tests_do_not_sleep(tree):
    yield from _lines_matching(
        tree, r'\bsleep_for\b|\bsleep_until\b|\bSleepFor\b|\busleep\s*\(|\btime\.sleep\b'
        r'|(?<![\w.])sleep\s*\(',
        'wait on a condition with a deadline, or use simulated time',
        only=lambda path: path.startswith('tests/') and path.endswith(('.cc', '.h', '.py')),
        exempt=['tests/e2e/', 'tests/tidy/'])


def tests_are_not_skipped(tree):
    yield from _lines_matching(tree, r'\bGTEST_SKIP\b|\bDISABLED_\w+|@unittest\.skip',
                               'a test runs or is deleted',
                               only=lambda path: path.startswith('tests/'), exempt=['tests/tidy/'])


def names_are_domain_words(tree):
    for path, text in tree.cpp():
        for number, line in enumerate(cpp_text.blank(text).splitlines(), 1):
            match = re.match(r'\s*(?:class|struct)\s+(\w*(?:Manager|Helper|Utils?|Impl))\b', line)
            if match:
                yield f'{path}:{number}: {match.group(1)}; take the domain\'s word'


# "optional TYPE NAME = NUMBER", "map<K, V> NAME = NUMBER".
_PROTO_FIELD = re.compile(r'(?!option\b)(?:(?:optional|repeated)\s+)?(?:map\s*<[^>]*>|[\w.]+)\s+'
                          r'(\w+)\s*=\s*(?:\d|0x)')


def _proto_fields(text):
    """(line, name) of each field of a message; the line is the one its declaration begins on."""
    blocks = []
    for match in re.finditer(r'([^;{}]*)([;{}])', cpp_text.blank(text)):
        statement = match.group(1).strip()
        if match.group(2) == '{':
            # What an option opens is a block too; it holds no fields.
            blocks.append((statement.split() or [''])[0])
        elif match.group(2) == '}':
            if blocks:
                blocks.pop()
        elif blocks and blocks[-1] in ('message', 'oneof', 'extend'):
            field = _PROTO_FIELD.match(statement)
            if field:
                begin = match.start(1) + len(match.group(1)) - len(match.group(1).lstrip())
                yield text.count('\n', 0, begin) + 1, field.group(1)


def proto_fields_are_explained(tree):
    for path, text in tree.files.items():
        if not path.startswith('proto/') or not path.endswith('.proto'):
            continue
        lines = text.splitlines()
        for number, name in _proto_fields(text):
            if number < 2 or not re.match(r'\s*//+\s*\S', lines[number - 2]):
                yield (f'{path}:{number}: field {name} has no comment directly above it; say its '
                       'meaning, unit, default and what its absence means')


RULES = [layer_order, grpc_only_in_shells, cores_are_pure, wall_clock_decides_nothing,
         cores_do_not_iterate_hashes, compilers_of_debian_12, heavy_headers_stay_in_one_file,
         headers_open_properly, cores_are_tested, sizes, no_paths_of_one_machine,
         nothing_is_left_for_later, tests_do_not_sleep, tests_are_not_skipped,
         names_are_domain_words, proto_fields_are_explained]
