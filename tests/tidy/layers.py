"""Which folder may include what (ARCHITECTURE.md draws it), directly and through other files."""

# Folder (the longest that matches decides) -> folders it may include; proto: our messages.
_PURE = ['common/core', 'proto']
_SHELL = _PURE + ['common', 'common/rpc']
ROWS = {
    'common/core': _PURE,
    'controller/core': ['controller/core'] + _PURE,
    'agent/core': ['agent/core'] + _PURE,
    'gateway/core': ['gateway/core'] + _PURE,
    'common': ['common', 'common/core', 'proto'],
    'common/rpc': _SHELL,
    'controller/shard': ['controller/shard', 'controller/core', 'common'] + _PURE,
    'controller/store': ['controller/store', 'controller/core', 'common'] + _PURE,
    'controller': ['controller', 'controller/rpc', 'controller/shard', 'controller/store',
                   'controller/core'] + _SHELL,
    'agent': ['agent', 'agent/core'] + _SHELL,
    'gateway/net': ['gateway/net', 'gateway/core', 'common', 'common/core'],
    'gateway/tls': ['gateway/tls', 'gateway/net', 'gateway/core', 'common', 'common/core'],
    'gateway/http': ['gateway/http', 'gateway/net', 'gateway/core', 'common', 'common/core'],
    'gateway/http1': ['gateway/http1', 'gateway/http', 'gateway/net', 'gateway/core', 'common',
                      'common/core'],
    'gateway/http2': ['gateway/http2', 'gateway/http', 'gateway/net', 'gateway/core', 'common',
                      'common/core'],
    'gateway/grpc': ['gateway/grpc', 'gateway/http', 'gateway/core', 'common/core'],
    'gateway/proxy': ['gateway/proxy', 'gateway/grpc', 'gateway/http', 'gateway/http1',
                      'gateway/http2', 'gateway/tls', 'gateway/net', 'gateway/core', 'common', 'common/core'],
    'gateway': ['gateway', 'gateway/control', 'gateway/proxy', 'gateway/http', 'gateway/http1',
                'gateway/http2', 'gateway/grpc', 'gateway/tls', 'gateway/net', 'gateway/core'] +
               _SHELL,
    # The CLI tests routes with the code that gateways decide by.
    'cli': ['cli', 'gateway/core'] + _SHELL,
    'sim': ['sim', 'controller/core', 'agent/core', 'gateway/core'] + _PURE,
}
# These may include everything, but nothing of ours outside them may include them.
FREE = ['bench', 'tests']

# Rows that link no gRPC: they run under the thread sanitizer or stay cheap to compile.
NO_GRPC = ['common/core', 'controller/core', 'agent/core', 'gateway/core', 'sim', 'common',
           'controller/shard', 'controller/store', 'gateway/net', 'gateway/tls', 'gateway/http',
           'gateway/http1', 'gateway/http2', 'gateway/grpc', 'gateway/proxy']


def row_of(path):
    """The row of a file, 'proto' for generated headers, a free folder, or '' for none."""
    if path.startswith('pointsman/v1/') or path.startswith('proto/'):
        return 'proto'
    folder = path.rsplit('/', 1)[0] if '/' in path else ''
    while folder:
        if folder in ROWS or folder in FREE:
            return folder
        folder = folder.rsplit('/', 1)[0] if '/' in folder else ''
    return ''


def is_core(path):
    """What must be pure: the cores, and the simulated world apart from its program."""
    row = row_of(path)
    return row.endswith('/core') or (row == 'sim' and path != 'sim/main.cc')


def allowed(path, included):
    """True when `path` may include `included` (both from the repository's root)."""
    row = row_of(path)
    target = row_of(included)
    if row in FREE or row == '' or target == '':
        return True
    if target in FREE:
        return False
    return target in ROWS[row]
