// Any bytes as the beginning of a connection: no crash, no read outside, the result of a longer
// beginning is that of a shorter one once there is one, and what is taken lies within what came.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "absl/strings/string_view.h"
#include "gateway/net/proxy_header.h"

namespace pointsman::gateway {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

ProxyHeader Parse(const uint8_t* data, size_t size) {
  // A copy as large as what is looked at, so that the sanitizer sees every byte more.
  const std::unique_ptr<char[]> copy(new char[size]);
  if (size > 0) std::memcpy(copy.get(), data, size);
  return ParseProxyHeader(absl::string_view(copy.get(), size));
}

}  // namespace
}  // namespace pointsman::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pointsman::gateway;  // NOLINT
  const ProxyHeader whole = Parse(data, size);
  if (whole.state == ProxyHeaderState::kMore) Require(size < kProxyHeaderBytesMax);
  if (whole.state == ProxyHeaderState::kDone) {
    Require(whole.size > 0 && whole.size <= size && whole.size <= kProxyHeaderBytesMax);
  }
  bool decided = false;
  for (size_t cut = 0; cut < size && cut < 600; ++cut) {
    const ProxyHeader part = Parse(data, cut);
    if (part.state == ProxyHeaderState::kMore) {
      Require(!decided);
      continue;
    }
    decided = true;
    Require(part.state == whole.state && part.error == whole.error && part.size == whole.size);
    Require(part.source == whole.source && part.source_port == whole.source_port);
  }
  return 0;
}
