// Any bytes as the body of application/grpc-web-text, and as messages to write in it: no crash,
// what is read does not depend on the cuts, and what is written is read as the same bytes.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "gateway/grpc/web.h"

namespace pointsman::gateway {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// False: refused.
bool Read(absl::string_view text, size_t cut, std::string* bytes) {
  Base64Reader reader;
  return reader.Feed(text.substr(0, cut), bytes) && reader.Feed(text.substr(cut), bytes);
}

void CheckReading(absl::string_view text, size_t cut) {
  std::string whole;
  std::string pieces;
  const bool read = Read(text, text.size(), &whole);
  Require(read == Read(text, cut, &pieces));
  Require(!read || whole == pieces);
}

void CheckWriting(absl::string_view bytes, size_t cut) {
  Base64Writer writer;
  std::string text;
  writer.Feed(bytes.substr(0, cut), &text);
  writer.Feed(bytes.substr(cut), &text);
  writer.Finish("", &text);
  std::string back;
  Require(Read(text, text.size(), &back));
  Require(back == bytes);
}

}  // namespace
}  // namespace pointsman::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pointsman::gateway;  // NOLINT
  if (size < 1) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t cut = data[0] % (bytes.size() + 1);
  CheckReading(bytes, cut);
  CheckWriting(bytes, cut);
  GrpcWebKindOf(bytes);
  return 0;
}
