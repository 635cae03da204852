// pm-table-churn: pins the weight of one endpoint after the other through the admin API, one
// change a period, so that the routing table changes all the time. Prints what it did as one line
// of JSON. Exit code 0: every change was taken; 1: one was refused; 2: wrong usage.

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "pointsman/v1/admin.grpc.pb.h"

namespace {

using Clock = std::chrono::steady_clock;
using pointsman::v1::AdminService;

struct Flags {
  std::string controller;
  std::string service;
  std::vector<std::string> endpoints;
  double period_ms = 10;
  int updates = 100;
};

// Weights of 0.5 to 1.5, another one each time an endpoint has its turn.
double WeightOf(int update) { return 0.5 + (update * 7 % 11) / 10.0; }

grpc::Status PinWeight(AdminService::Stub& stub, const Flags& flags, int update) {
  const std::string& endpoint = flags.endpoints[update % flags.endpoints.size()];
  pointsman::v1::UpdateOverrideRequest request;
  request.set_allow_missing(true);
  auto* pinned = request.mutable_override();
  pinned->set_name(absl::StrCat("overrides/churn.", endpoint));
  pinned->set_service(flags.service);
  pinned->set_endpoint(endpoint);
  pinned->set_weight(WeightOf(update));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  pointsman::v1::Override answer;
  return stub.UpdateOverride(&context, request, &answer);
}

int Churn(const Flags& flags) {
  const auto stub = AdminService::NewStub(
      grpc::CreateChannel(flags.controller, grpc::InsecureChannelCredentials()));
  const auto start = Clock::now();
  const std::chrono::duration<double, std::milli> period(flags.period_ms);
  for (int update = 0; update < flags.updates; ++update) {
    // On schedule: a slow answer is caught up with.
    std::this_thread::sleep_until(start +
                                  std::chrono::duration_cast<Clock::duration>(period * update));
    const grpc::Status status = PinWeight(*stub, flags, update);
    if (!status.ok()) {
      std::fprintf(stderr, "pm-table-churn: update %d: %s\n", update,
                   status.error_message().c_str());
      return 1;
    }
  }
  const std::chrono::duration<double> seconds = Clock::now() - start;
  std::printf("{\"updates\":%d,\"seconds\":%.3f}\n", flags.updates, seconds.count());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Changes weights all the time.", "pm-table-churn");
  app.add_option("--controller", flags.controller, "HOST:PORT")->required();
  app.add_option("--service", flags.service)->required();
  app.add_option("--endpoints", flags.endpoints)->required()->delimiter(',');
  app.add_option("--period-ms", flags.period_ms)->check(CLI::Range(0.0, 1e6));
  app.add_option("--updates", flags.updates)->check(CLI::Range(1, 1000000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return Churn(flags);
}
