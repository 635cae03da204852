// Any bytes as a path: no crash, no write beyond the input's size, and what comes out is a form of
// its own: it goes through again unchanged, never grew, and has no dot segment, control byte,
// backslash or (unless asked for) empty segment. A path that is told to be plain is one.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/core/request_path.h"

namespace pointsman::common {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

struct Outcome {
  CanonicalPath result;
  std::string text;
};

Outcome Run(absl::string_view path, EmptySegments empty) {
  // Exactly as large as promised, so that the sanitizer sees every byte more.
  const std::unique_ptr<char[]> out(new char[path.size()]);
  Outcome outcome;
  outcome.result = CanonicalizePath(path, empty, out.get());
  Require(outcome.result.size <= path.size());
  if (outcome.result.error == PathError::kNone) outcome.text.assign(out.get(), outcome.result.size);
  return outcome;
}

void Check(absl::string_view path, EmptySegments empty) {
  const Outcome once = Run(path, empty);
  if (once.result.error != PathError::kNone) return;
  Require(absl::StartsWith(once.text, "/"));
  for (char c : once.text) Require(c > 0x20 && c < 0x7f && c != '\\' && c != '?' && c != '#');
  const std::string walled = absl::StrCat(once.text, "/");
  Require(!absl::StrContains(walled, "/./") && !absl::StrContains(walled, "/../"));
  Require(empty == EmptySegments::kKeep || !absl::StrContains(once.text, "//"));
  const Outcome twice = Run(once.text, empty);
  Require(twice.result.error == PathError::kNone && twice.text == once.text);
  Require((twice.result.traits & ~once.result.traits) == 0);
}

}  // namespace
}  // namespace pointsman::common

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pointsman::common;  // NOLINT
  const absl::string_view path(reinterpret_cast<const char*>(data), size);
  Check(path, EmptySegments::kMerge);
  Check(path, EmptySegments::kKeep);
  const size_t plain = PlainPathSize(path);
  if (plain != absl::string_view::npos) {
    const Outcome outcome = Run(path.substr(0, plain), EmptySegments::kKeep);
    Require(outcome.result.error == PathError::kNone && outcome.result.traits == 0);
    Require(outcome.text == path.substr(0, plain));
  }
  SegmentEndsBefore(path);
  return 0;
}
