// Any bytes, read whole and in pieces, as a request and as a response: no crash, no read outside
// the input, and the same result. What was accepted as a request is written and read again: one
// request, of the same kind, with nothing left over.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "gateway/http1/serializer.h"
#include "tests/gateway/http1/parse_support.h"

namespace pointsman::gateway {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckForwarding(absl::string_view input) {
  RequestHead head;
  RequestParser parser(HeadLimits{});
  parser.Start(&head);
  if (parser.Feed(input).state != ParseState::kDone) return;
  ChunkPool pool;
  OutQueue out(&pool);
  ForwardedFacts facts;
  facts.client_host = "192.0.2.1";
  facts.proto = "http";
  facts.request_id = "0123456789abcdef";
  facts.default_host = "web";
  WriteRequestHead(head, facts, &out);
  std::string written;
  iovec parts[16];
  const size_t count = out.Gather(parts, 16);
  for (size_t i = 0; i < count; ++i) {
    written.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  }
  out.Clear();
  RequestHead again;
  HeadLimits wider;
  wider.bytes_max += 4096;
  wider.fields_max += 16;
  RequestParser second(wider);
  second.Start(&again);
  const HeadProgress progress = second.Feed(written);
  Require(progress.state == ParseState::kDone && progress.consumed == written.size());
  Require(again.method == head.method && again.body == head.body);
  Require(again.content_length == head.content_length);
  Require(again.block.At(again.target) == head.block.At(head.target));
}

}  // namespace
}  // namespace pointsman::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pointsman::gateway;  // NOLINT
  if (size < 1) return 0;
  const absl::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  Cuts cuts;
  const size_t step = data[0] % 16 + 1;
  for (size_t at = step; at < input.size(); at += step) cuts.push_back(at);
  Require(ParseRequest(input, cuts) == ParseRequest(input));
  Require(ParseResponse(input, Method::kGet, cuts) == ParseResponse(input));
  Require(ParseResponse(input, Method::kHead, cuts) == ParseResponse(input, Method::kHead));
  CheckForwarding(input);
  return 0;
}
