#pragma once

// The four kinds of StepConnection: HTTP/1 by canned bytes, HTTP/2 by nghttp2 alone.
// Each takes over a connected socket.

#include <memory>

#include "bench/step/step_peer.h"
#include "gateway/net/fd.h"

namespace pointsman::bench {

std::unique_ptr<StepConnection> MakeHttp1Client(gateway::Fd fd, const StepFields& fields);
std::unique_ptr<StepConnection> MakeHttp1Origin(gateway::Fd fd, const StepFields& fields);
std::unique_ptr<StepConnection> MakeHttp2Client(gateway::Fd fd, const StepFields& fields);
std::unique_ptr<StepConnection> MakeHttp2Origin(gateway::Fd fd, const StepFields& fields);

}  // namespace pointsman::bench
