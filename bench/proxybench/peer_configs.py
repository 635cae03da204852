"""Configuration files of the proxies. Each function writes them and returns their paths."""

import json

# Of the load generator: all of it fits, on both sides.
CONNECTIONS_MAX = 9000


def pointsman(launch):
    setup = launch.setup
    endpoints = ", ".join('{id: web-%d, address: "127.0.0.1:%d"}' % (i, p)
                          for i, p in enumerate(setup.backends))
    protocol = "  protocol: http2\n" if setup.upstream == "h2" else ""
    static = launch.folder / "static.yaml"
    static.write_text(f"services:\n- name: web\n{protocol}  endpoints: [{endpoints}]\n"
                      "routes:\n- name: web\n  service: web\n")
    listeners = launch.folder / "listeners.yaml"
    cert, key, _ = launch.certificate
    listeners.write_text(f"listeners:\n- name: tls\n  address: 127.0.0.1:{launch.port}\n  tls:\n"
                         f"    certificates:\n    - {{cert_file: {cert}, key_file: {key}}}\n")
    return static, listeners


def haproxy(launch):
    setup = launch.setup
    bind = ""
    if setup.tls:
        bind = f" ssl crt {launch.certificate[2]} alpn h2,http/1.1"
    elif setup.client == "h2":
        bind = " proto h2"
    proto = " proto h2" if setup.upstream == "h2" else ""
    servers = "\n".join(f"  server s{i} 127.0.0.1:{p}{proto}"
                        for i, p in enumerate(setup.backends))
    config = launch.folder / "haproxy.cfg"
    config.write_text(
        f"global\n  nbthread {setup.workers}\n  maxconn {CONNECTIONS_MAX}\n"
        "defaults\n  mode http\n  option forwardfor\n  http-reuse always\n  timeout connect 1s\n"
        "  timeout client 300s\n  timeout server 30s\n"
        f"frontend f\n  bind 127.0.0.1:{launch.port}{bind}\n  default_backend b\n"
        f"backend b\n  balance leastconn\n{servers}\n")
    return config


def nginx(launch):
    setup = launch.setup
    folder = launch.folder
    listen = (" ssl" if setup.tls else "") + (" http2" if setup.client == "h2" else "")
    certificate = ""
    if setup.tls:
        certificate = (f"    ssl_certificate {launch.certificate[0]};\n"
                       f"    ssl_certificate_key {launch.certificate[1]};\n"
                       "    ssl_protocols TLSv1.2 TLSv1.3;\n")
    if setup.upstream == "h2":
        location = ("      grpc_pass grpc://b;\n"
                    "      grpc_set_header X-Forwarded-For $remote_addr;\n")
    else:
        location = ("      proxy_pass http://b;\n      proxy_http_version 1.1;\n"
                    "      proxy_set_header Connection \"\";\n"
                    "      proxy_set_header X-Forwarded-For $remote_addr;\n"
                    "      proxy_request_buffering off;\n      proxy_buffers 16 8k;\n")
    servers = "\n".join(f"    server 127.0.0.1:{p};" for p in setup.backends)
    temporary = "".join(f"  {kind}_temp_path {folder}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off;\nworker_processes {setup.workers};\npid {folder}/nginx.pid;\n"
        f"worker_rlimit_nofile {2 * CONNECTIONS_MAX};\nerror_log {folder}/error.log;\n"
        f"events {{ worker_connections {CONNECTIONS_MAX}; }}\n"
        "http {\n  access_log off;\n  keepalive_requests 1000000000;\n"
        "  keepalive_timeout 300s;\n  client_max_body_size 0;\n" + temporary +
        f"  upstream b {{\n    least_conn;\n{servers}\n    keepalive 64;\n"
        "    keepalive_requests 1000000000;\n  }\n"
        f"  server {{\n    listen 127.0.0.1:{launch.port}{listen};\n{certificate}"
        f"    location / {{\n{location}    }}\n  }}\n}}\n")
    return config


def h2o(launch):
    setup = launch.setup
    ssl = ""
    if setup.tls:
        ssl = (f"  ssl:\n    certificate-file: {launch.certificate[0]}\n"
               f"    key-file: {launch.certificate[1]}\n    minimum-version: TLSv1.2\n"
               "    ocsp-update-interval: 0\n")
    config = launch.folder / "h2o.yaml"
    config.write_text(
        f"num-threads: {setup.workers}\nmax-connections: {CONNECTIONS_MAX}\n"
        f"listen:\n  host: 127.0.0.1\n  port: {launch.port}\n{ssl}"
        f"hosts:\n  default:\n    paths:\n      /:\n"
        f"        proxy.reverse.url: http://127.0.0.1:{setup.backends[0]}/\n"
        "        proxy.preserve-host: ON\n        proxy.timeout.keepalive: 30000\n")
    return config


def _envoy_cluster(setup):
    upstream = {"http2_protocol_options": {}} if setup.upstream == "h2" else {
        "http_protocol_options": {}}
    endpoints = [{"endpoint": {"address": {"socket_address": {
        "address": "127.0.0.1", "port_value": port}}}} for port in setup.backends]
    many = {"max_connections": CONNECTIONS_MAX, "max_pending_requests": CONNECTIONS_MAX,
            "max_requests": CONNECTIONS_MAX}
    return {
        "name": "b", "type": "STATIC", "lb_policy": "LEAST_REQUEST", "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [many]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/"
                         "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": upstream}},
        "load_assignment": {"cluster_name": "b", "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _envoy_chain(launch):
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
                 "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "f", "codec_type": "AUTO", "use_remote_address": True,
        "route_config": {"virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "b"}}]}]},
        "http_filters": [{"name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    if launch.setup.tls:
        chain["transport_socket"] = {"name": "tls", "typed_config": {
            "@type": "type.googleapis.com/"
                     "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{
                    "certificate_chain": {"filename": str(launch.certificate[0])},
                    "private_key": {"filename": str(launch.certificate[1])}}]}}}
    return chain


def envoy(launch):
    listener = {
        "name": "f", "filter_chains": [_envoy_chain(launch)],
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": launch.port}}}
    config = launch.folder / "envoy.json"
    config.write_text(json.dumps({
        "static_resources": {"listeners": [listener], "clusters": [_envoy_cluster(launch.setup)]}}))
    return config
