"""A gateway from one static file between clients and servers that others wrote, all real processes.

Two listeners, plain and TLS; a service for each kind of origin, chosen by the host's name:
h1.test, h2.test, h1tls.test, h2tls.test lead to Node, grpc.test and grpctls.test to gRPC's C++
library. The last part of the name says what the gateway speaks to the origin.
"""

import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'deploy'))

from local_cluster import Cluster, ClusterError, http, wait_until  # noqa: E402,F401

HERE = os.path.dirname(os.path.abspath(__file__))
NODE_SERVICES = ['h1', 'h2', 'h1tls', 'h2tls']
GRPC_SERVICES = ['grpc', 'grpctls']


def host_of(service):
    return f'{service}.test'


class Stage(Cluster):

    def __init__(self, bin_folder):
        super().__init__(bin_folder, '')
        self.authority = self.path('authority.pem')
        self.node_environment = dict(os.environ, NODE_EXTRA_CA_CERTS=self.authority,
                                     # Where Debian keeps the modules of its packages.
                                     NODE_PATH='/usr/share/nodejs')

    def begin(self, gateway_options=()):
        self._make_certificates()
        for key, value in self.node_environment.items():
            os.environ[key] = value
        self.start('origin', ['node', os.path.join(HERE, 'origin.js'), *self._certificate('--cert')])
        self.start('grpc', [self.program('pm-grpc-peer'), 'serve'])
        self.start('grpctls', [self.program('pm-grpc-peer'), 'serve', *self._certificate('--cert')])
        self._configure()
        self.start('gateway', [
            self.program('pointsman-gateway'), '--static', self.config_path,
            '--listeners', self.path('listeners.yaml'), '--admin', '127.0.0.1:0',
            '--drain-seconds', '6', *gateway_options])
        plain, tls = self.processes['gateway'].ready['listen']
        self.addresses = {'http': plain, 'https': tls}

    def _certificate(self, flag):
        return [flag, self.path('server.pem'), '--key', self.path('server.key')]

    def _openssl(self, *arguments):
        done = subprocess.run(['openssl', *arguments], cwd=self.folder, capture_output=True,
                              text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise ClusterError(f'openssl {arguments[0]}: {done.stderr}')

    def _make_certificates(self):
        key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
        names = ','.join('DNS:' + host_of(one) for one in NODE_SERVICES + GRPC_SERVICES)
        self._openssl('req', '-x509', *key, '-days', '2', '-subj', '/CN=authority',
                      '-keyout', 'authority.key', '-out', 'authority.pem')
        self._openssl('req', *key, '-subj', '/CN=server', '-keyout', 'server.key',
                      '-out', 'server.csr')
        with open(self.path('names'), 'w', encoding='utf-8') as file:
            file.write(f'subjectAltName={names}\n')
        self._openssl('x509', '-req', '-in', 'server.csr', '-CA', 'authority.pem', '-CAkey',
                      'authority.key', '-CAcreateserial', '-days', '2', '-extfile', 'names',
                      '-out', 'server.pem')

    def _configure(self):
        """JSON is YAML."""
        with open(self.authority, encoding='utf-8') as file:
            authority = file.read()
        origin = self.processes['origin'].ready
        addresses = {one: origin[one] for one in NODE_SERVICES}
        addresses.update({one: self.processes[one].ready['listen'] for one in GRPC_SERVICES})
        services, routes = [], []
        for name, address in addresses.items():
            service = {'name': name, 'endpoints': [{'id': name, 'address': address}]}
            if not name.startswith('h1'):
                service['protocol'] = 'PROTOCOL_HTTP2'
            if name.endswith('tls'):
                service['tls'] = {'server_name': host_of(name), 'ca_pem': authority}
            services.append(service)
            routes.append({'name': name, 'hosts': [host_of(name)], 'service': name})
        self.config(json.dumps({'services': services, 'routes': routes}, indent=1))
        certificate = {'cert_file': 'server.pem', 'key_file': 'server.key'}
        listeners = [{'name': 'plain', 'address': '127.0.0.1:0'},
                     {'name': 'tls', 'address': '127.0.0.1:0',
                      'tls': {'certificates': [certificate]}}]
        with open(self.path('listeners.yaml'), 'w', encoding='utf-8') as file:
            json.dump({'listeners': listeners}, file)
