"""What is measured, and against which aim."""

import dataclasses

SMALL = 128
LARGE = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Aim:
    """Met when the interval of pointsman's cost / `against`'s stays at or below `limit` at every
    rate. `against`: a peer, or "best" (every peer but the relay); "user": our own user code,
    `limit` in microseconds."""

    against: str
    limit: float

    def text(self):
        if self.against == "user":
            return f"own user code at most {self.limit:g} us a request"
        who = "the best peer" if self.against == "best" else self.against
        return f"at most {self.limit:g} of {who}"


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    client: str
    upstream: str
    tls: bool = False
    connections: int = 16
    streams: int = 1
    request_bytes: int = 0  # Above 0: POST.
    answer_bytes: int = SMALL
    grpc: bool = False
    aims: tuple = ()


@dataclasses.dataclass(frozen=True)
class Special:
    """Measured in another way than by load at equal rates."""

    name: str
    what: str  # handshakes, memory, table


# What a gRPC client with tracing, authentication and a mesh's metadata really sends besides the
# pseudo-fields: 20 fields, some of which change with each request for nobody's compression.
GRPC_FIELDS = (
    "content-type: application/grpc",
    "te: trailers",
    "user-agent: grpc-c++/1.51.1 grpc-c/29.0.0 (linux; chttp2)",
    "grpc-accept-encoding: identity, deflate, gzip",
    "accept-encoding: identity, gzip",
    "grpc-timeout: 4999900u",
    "authorization: Bearer eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1w"
    "bGUuY29tIiwic3ViIjoiY2hlY2tvdXQiLCJhdWQiOiJvcmRlcnMiLCJleHAiOjE5MDAwMDAwMDB9.c2lnbmF0dXJl",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate: vendor=t61rcWkgMzE",
    "baggage: tenant=acme,region=eu-west-1",
    "x-request-id: 7f9c24e8-3b1a-4a55-9c0e-5d1f0a2b3c4d",
    "x-tenant-id: acme-production",
    "x-user-id: 8812734",
    "x-session-id: 0f8fad5b-d9cb-469f-a165-70867728950e",
    "x-client-version: checkout/2024.11.3",
    "x-idempotency-key: 6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "x-locale: en-GB",
    "x-feature-flags: new-pricing,fast-lane",
    "x-source-service: checkout",
    "x-retry-attempt: 0",
)

CASES = (
    Case("h1", "h1", "h1", aims=(Aim("relay", 1.15), Aim("user", 3.0))),
    Case("h2-16x16", "h2", "h2", streams=16, request_bytes=32, aims=(Aim("nghttpx", 0.8),)),
    Case("h2-16x1", "h2", "h2", request_bytes=32, aims=(Aim("nghttpx", 1.0),)),
    Case("h2-100x1", "h2", "h2", connections=100, request_bytes=32,
         aims=(Aim("nghttpx", 1.0),)),
    Case("grpc", "h2", "h2", streams=16, request_bytes=32, grpc=True,
         aims=(Aim("nghttpx", 1.0),)),
    Case("h1-tls", "h1", "h1", tls=True, aims=(Aim("best", 0.85),)),
    Case("h2-tls", "h2", "h2", tls=True, streams=16, request_bytes=32),
    Case("h1-64k-down", "h1", "h1", answer_bytes=LARGE, aims=(Aim("best", 1.0),)),
    Case("h1-64k-up", "h1", "h1", request_bytes=LARGE, aims=(Aim("best", 1.0),)),
    Case("h2-64k-down", "h2", "h2", answer_bytes=LARGE, aims=(Aim("best", 1.0),)),
    Case("h2-64k-up", "h2", "h2", request_bytes=LARGE, aims=(Aim("best", 1.0),)),
    Special("tls-full", "handshakes"),
    Special("tls-resumed", "handshakes"),
    Special("memory-h1", "memory"),
    Special("memory-h1-tls", "memory"),
    Special("memory-h2", "memory"),
    Special("memory-h2-tls", "memory"),
    Special("table", "table"),
)


def chosen(names):
    """Cases by name; "" or "all": all of them. A name that ends with "*" stands for all that begin
    so. ValueError: there is no such case."""
    if names in ("", "all"):
        return list(CASES)
    found = []
    for name in names.split(","):
        matching = [case for case in CASES
                    if case.name == name or (name.endswith("*")
                                             and case.name.startswith(name[:-1]))]
        if not matching:
            known = ", ".join(case.name for case in CASES)
            raise ValueError(f"no case is named {name}; there are {known}")
        found += [case for case in matching if case not in found]
    return found
