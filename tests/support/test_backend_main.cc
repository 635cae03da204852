// pm-test-backend: a server that behaves as it is told; tests/support/test_backend.h names its
// paths and settings. Ends on SIGTERM or SIGINT with exit code 0; 2: wrong usage; 1: cannot listen.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "tests/support/test_backend.h"

namespace {

using pointsman::testing::Behaviour;
using pointsman::testing::TestBackend;

TestBackend* stopped_by_signal = nullptr;

void StopOnSignal(int) {
  if (stopped_by_signal != nullptr) stopped_by_signal->Stop();
}

struct Flags {
  std::string listen = "127.0.0.1:0";
  std::string name;
  std::string ready_file;
  std::string pid_file;
  Behaviour behaviour;
};

void Describe(CLI::App& app, Flags& flags) {
  app.add_option("--listen", flags.listen, "HOST:PORT, numeric; port 0: any");
  app.add_option("--name", flags.name, "sent back as X-Backend");
  app.add_option("--ready-file", flags.ready_file, "JSON with address and pid, once it serves");
  app.add_option("--pid-file", flags.pid_file, "the process id, once it serves");
  app.add_option("--delay-ms", flags.behaviour.delay_ms)->check(CLI::Range(0.0, 1e7));
  app.add_flag("--exponential", flags.behaviour.exponential, "delays vary");
  app.add_option("--concurrency", flags.behaviour.concurrency, "worked on at once; 0: no bound")
      ->check(CLI::Range(0, 1000000));
  app.add_option("--burn-us", flags.behaviour.burn_us, "CPU of each request")
      ->check(CLI::Range(0, 10000000));
  app.add_option("--bytes", flags.behaviour.bytes, "of a response's body")
      ->check(CLI::Range(int64_t{0}, int64_t{1000000000}));
}

absl::Status Serve(const Flags& flags) {
  auto address = pointsman::bench::ParseSocketAddress(flags.listen);
  if (!address.ok()) return address.status();
  TestBackend backend(flags.name, flags.behaviour, std::random_device{}());
  if (absl::Status status = backend.Listen(*address); !status.ok()) return status;
  stopped_by_signal = &backend;
  std::signal(SIGTERM, StopOnSignal);
  std::signal(SIGINT, StopOnSignal);
  if (!flags.pid_file.empty()) {
    const absl::Status written = pointsman::common::WriteFileAtomically(
        flags.pid_file, absl::StrCat(getpid(), "\n"), {.sync = false});
    if (!written.ok()) return written;
  }
  const absl::Status ready = pointsman::common::WriteReadyFile(
      flags.ready_file, {.grpc = "", .admin = "", .listen = backend.address(), .listeners = {}});
  if (!ready.ok()) return ready;
  backend.Run();
  stopped_by_signal = nullptr;
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("A server that behaves as it is told.", "pm-test-backend");
  Describe(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::Status status = Serve(flags);
  if (status.ok()) return 0;
  std::fprintf(stderr, "pm-test-backend: %s\n", std::string(status.message()).c_str());
  return 1;
}
