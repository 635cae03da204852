// pm-grpc-peer: gRPC's own C++ library on one end of a gateway. `serve` is the server of
// echo.proto, until SIGTERM; `check` is its client: prints each check, exit code 0: all held; 1:
// one did not; 2: wrong usage.

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "tests/clients/grpc_checks.h"
#include "tests/clients/grpc_server.h"

namespace {

constexpr int kMessageBytesMax = 16 << 20;

struct Flags {
  std::string ready_file;
  std::string certificate;
  std::string key;
  std::string target;
  std::string authority;
  std::string authorities;  // PEM file; empty: plain.
};

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

int Serve(const Flags& flags) {
  // Blocked in every thread, waited for below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  pointsman::testing::GrpcServer echo;
  auto credentials = grpc::InsecureServerCredentials();
  if (!flags.certificate.empty()) {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({Read(flags.key), Read(flags.certificate)});
    credentials = grpc::SslServerCredentials(options);
  }
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", credentials, &port);
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.RegisterService(&echo);
  const auto server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::fprintf(stderr, "pm-grpc-peer: cannot listen\n");
    return 1;
  }
  const absl::Status ready = pointsman::common::WriteReadyFile(
      flags.ready_file,
      {.grpc = "", .admin = "", .listen = absl::StrCat("127.0.0.1:", port), .listeners = {}});
  if (!ready.ok()) return 1;
  int received = 0;
  sigwait(&signals, &received);
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

int Check(const Flags& flags) {
  auto credentials = grpc::InsecureChannelCredentials();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  if (flags.authorities.empty()) {
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, flags.authority);
  } else {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = Read(flags.authorities);
    credentials = grpc::SslCredentials(options);
    arguments.SetSslTargetNameOverride(flags.authority);
  }
  int wrong = 0;
  const auto channel = grpc::CreateCustomChannel(flags.target, credentials, arguments);
  const std::string key = absl::StrCat(getpid());
  for (const auto& result : pointsman::testing::RunGrpcChecks(channel, key)) {
    std::printf("%s  %s%s%s\n", result.wrong.empty() ? "ok  " : "FAIL", result.name.c_str(),
                result.wrong.empty() ? "" : ": ", result.wrong.c_str());
    wrong += result.wrong.empty() ? 0 : 1;
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("gRPC's own library on one end of a gateway.", "pm-grpc-peer");
  app.require_subcommand(1);
  CLI::App* serve = app.add_subcommand("serve", "the server");
  serve->add_option("--ready-file", flags.ready_file, "JSON with address, once it serves");
  serve->add_option("--cert", flags.certificate, "PEM; absent: plain");
  serve->add_option("--key", flags.key, "PEM");
  CLI::App* check = app.add_subcommand("check", "the client");
  check->add_option("--target", flags.target, "HOST:PORT of the gateway")->required();
  check->add_option("--authority", flags.authority, "name of the service asked for")->required();
  check->add_option("--ca", flags.authorities, "PEM of who signs; absent: plain");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return serve->parsed() ? Serve(flags) : Check(flags);
}
