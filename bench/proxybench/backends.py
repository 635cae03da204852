"""What stands behind the proxies: two small servers of one protocol."""

import shutil

from proxybench.stage import LeftOut, free_port, wait_for_port

COUNT = 2
WORK_PATH = "/work"
GRPC_PATH = "/shop.v1.Orders/Place.grpc"


def start(stage, build, cpus, upstream, answer_bytes, grpc=False):
    """Their ports, and their processes. LeftOut: there is no server of this protocol."""
    ports, processes = [], []
    for _ in range(COUNT):
        port = free_port()
        if upstream == "h2":
            process = _start_h2(stage, cpus, port, answer_bytes, grpc)
        else:
            folder = stage.subfolder("backend")
            process = stage.start([build / "bin/pm-test-backend", "--listen",
                                   f"127.0.0.1:{port}", "--bytes", answer_bytes], cpus, folder)
        wait_for_port(port, process)
        ports.append(port)
        processes.append(process)
    return tuple(ports), processes


def _start_h2(stage, cpus, port, answer_bytes, grpc):
    if not shutil.which("nghttpd"):
        raise LeftOut("the HTTP/2 backend, nghttpd, is not installed (bench/proxy.sh --install)")
    folder = stage.subfolder("backend")
    files = folder / "files"
    target = files / (GRPC_PATH if grpc else WORK_PATH).lstrip("/")
    target.parent.mkdir(parents=True)
    target.write_bytes(b"x" * answer_bytes)
    types = folder / "types"
    types.write_text("application/grpc grpc\n")
    argv = ["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", files, f"--mime-types-file={types}",
            "--max-concurrent-streams=256", "-W", "20", "-w", "20"]
    if grpc:
        argv += ["--trailer", "grpc-status: 0"]
    return stage.start(argv + [port], cpus, folder)
