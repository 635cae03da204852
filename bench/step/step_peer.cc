#include "bench/step/step_peer.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/step/step_connections.h"
#include "common/core/check.h"
#include "gateway/net/socket.h"

namespace pointsman::bench {

namespace {

gateway::SocketAddress Loopback(uint16_t port) {
  return gateway::SocketAddress::From(*common::ParseAddress(absl::StrCat("127.0.0.1:", port)));
}

}  // namespace

std::unique_ptr<StepConnection> ConnectStep(StepProtocol protocol, uint16_t port,
                                            const StepFields& fields) {
  gateway::ConnectStart started = gateway::StartConnect(Loopback(port));
  PM_CHECK(started.fd.valid());
  if (protocol == StepProtocol::kHttp1) return MakeHttp1Client(std::move(started.fd), fields);
  return MakeHttp2Client(std::move(started.fd), fields);
}

StepOrigin::StepOrigin(StepProtocol protocol, StepFields fields)
    : protocol_(protocol), fields_(std::move(fields)) {
  auto listener = gateway::Listen(Loopback(0), {});
  PM_CHECK(listener.ok());
  listener_ = *std::move(listener);
  port_ = gateway::SocketAddress::Local(listener_.get())->port();
}

bool StepOrigin::Pump() {
  gateway::SocketAddress peer;
  while (true) {
    gateway::Fd fd(gateway::AcceptOne(listener_.get(), &peer));
    if (!fd.valid()) break;
    connections_.push_back(protocol_ == StepProtocol::kHttp1
                               ? MakeHttp1Origin(std::move(fd), fields_)
                               : MakeHttp2Origin(std::move(fd), fields_));
  }
  bool sent = false;
  for (auto& connection : connections_) sent |= connection->Pump();
  return sent;
}

}  // namespace pointsman::bench
