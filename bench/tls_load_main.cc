// pm-tls-load: opens TLS connections at a fixed rate, one request each, and says as one line of
// JSON what became of them. Exit code 0: none failed; 1: some did; 2: wrong usage.

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "bench/tls/handshake_load.h"

int main(int argc, char** argv) {
  using namespace pointsman::bench;
  HandshakeOptions options;
  std::string target;
  double seconds = 1;
  CLI::App app("Opens TLS connections.", "pm-tls-load");
  app.add_option("--target", target, "HOST:PORT, numeric")->required();
  app.add_option("--host", options.host, "server name and Host");
  app.add_option("--connections", options.connections, "under way at once")
      ->check(CLI::Range(1, 1000));
  app.add_option("--rps", options.rps, "connections a second; 0: closed loop")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--duration", seconds)->check(CLI::Range(0.01, 1e5));
  app.add_flag("--resume", options.resume, "with tickets, but for the first");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto address = ParseSocketAddress(target);
  if (!address.ok()) {
    std::fprintf(stderr, "pm-tls-load: %s\n", std::string(address.status().message()).c_str());
    return 2;
  }
  options.target = *address;
  options.duration = absl::Seconds(seconds);
  std::signal(SIGPIPE, SIG_IGN);
  HandshakeLoad load(options);
  if (const absl::Status status = load.Run(); !status.ok()) {
    std::fprintf(stderr, "pm-tls-load: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  const HandshakeReport& report = load.report();
  std::printf(
      "{\"done\":%llu,\"resumed\":%llu,\"failed\":%llu,\"seconds\":%.3f,\"p50_us\":%lld,"
      "\"p99_us\":%lld}\n",
      static_cast<unsigned long long>(report.done), static_cast<unsigned long long>(report.resumed),
      static_cast<unsigned long long>(report.failed), absl::ToDoubleSeconds(report.elapsed),
      static_cast<long long>(report.latency.QuantileMicros(0.5)),
      static_cast<long long>(report.latency.QuantileMicros(0.99)));
  return report.failed == 0 ? 0 : 1;
}
