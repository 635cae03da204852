// pm-load: sends HTTP/1.1 requests at a fixed rate (or as fast as they are answered) and says what
// became of each. Exit code 0: none failed; 1: some did; 2: wrong usage.

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "bench/support/load_report.h"
#include "bench/support/load_run.h"
#include "common/clock.h"

namespace {

using pointsman::bench::LoadOptions;
using pointsman::bench::LoadReport;
using pointsman::bench::LoadRun;

LoadRun* stopped_by_signal = nullptr;

void StopOnSignal(int) {
  if (stopped_by_signal != nullptr) stopped_by_signal->Stop();
}

struct Flags {
  std::string target;
  LoadOptions load;
  double duration_s = 0;
  double timeout_ms = 10000;
  double interval_ms = 500;
  bool live = false;
  bool json = false;
};

void Describe(CLI::App& app, Flags& flags) {
  app.add_option("--target", flags.target, "HOST:PORT, numeric")->required();
  app.add_option("--connections", flags.load.connections, "at most this many")
      ->check(CLI::Range(1, LoadRun::kConnectionsMax));
  app.add_option("--rps", flags.load.rps, "requests a second, on schedule; 0: closed loop")
      ->check(CLI::Range(0.0, 1e7));
  app.add_option("--duration", flags.duration_s, "seconds; 0: until --requests or SIGTERM")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--requests", flags.load.requests, "stop after so many; 0: no such end");
  app.add_option("--method", flags.load.method);
  app.add_option("--path", flags.load.path);
  app.add_option("--host", flags.load.host, "value of the Host header");
  app.add_option("--body-bytes", flags.load.request_body_bytes, "length of the request's body");
  app.add_option("--timeout-ms", flags.timeout_ms, "of one request")->check(CLI::Range(1.0, 1e8));
  app.add_flag("--json", flags.json, "the summary as one line of JSON");
  app.add_flag("--live", flags.live, "one line of JSON an interval");
  app.add_option("--interval-ms", flags.interval_ms, "of --live")->check(CLI::Range(10.0, 1e6));
}

void PrintLine(const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

void PrintInterval(const LoadReport& interval, const LoadReport& total, absl::Duration length) {
  const auto now = pointsman::common::SystemClock().Now();
  std::string line = ReportJson(interval, "interval", length, now);
  line.pop_back();
  PrintLine(line + ",\"total\":{\"sent\":" + std::to_string(total.sent) + ",\"ok\":" +
            std::to_string(total.ok) + ",\"failed\":" + std::to_string(total.failed()) + "}}");
}

int RunLoad(const Flags& flags) {
  LoadRun run(flags.load, flags.live ? PrintInterval : LoadRun::OnInterval());
  stopped_by_signal = &run;
  std::signal(SIGTERM, StopOnSignal);
  std::signal(SIGINT, StopOnSignal);
  const absl::Status status = run.Run();
  if (!status.ok()) {
    std::fprintf(stderr, "pm-load: %s\n", status.ToString().c_str());
    return 2;
  }
  if (flags.json || flags.live) {
    PrintLine(
        ReportJson(run.report(), "summary", run.elapsed(), pointsman::common::SystemClock().Now()));
  } else {
    std::fputs(ReportText(run.report(), run.elapsed()).c_str(), stdout);
  }
  return run.report().failed() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Sends HTTP/1.1 requests and counts what comes back.", "pm-load");
  Describe(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto target = pointsman::bench::ParseSocketAddress(flags.target);
  if (!target.ok()) {
    std::fprintf(stderr, "pm-load: %s\n", std::string(target.status().message()).c_str());
    return 2;
  }
  flags.load.target = *target;
  flags.load.timeout = absl::Microseconds(flags.timeout_ms * 1e3);
  flags.load.interval = absl::Microseconds(flags.interval_ms * 1e3);
  if (flags.duration_s > 0) flags.load.duration = absl::Seconds(flags.duration_s);
  return RunLoad(flags);
}
