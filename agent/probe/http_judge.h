#pragma once

// Whether an HTTP answer is what a check asks for. No I/O. HttpJudge keeps compiled patterns;
// thread-compatible.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "agent/core/check.h"
#include "pointsman/v1/service.pb.h"

namespace re2 {
class RE2;
}

namespace pointsman::agent {

// Bytes of a body that are looked at; what follows is not read.
inline constexpr size_t kBodyBytesMax = 64 << 10;

struct HttpAnswer {
  uint32_t status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // As they came, values trimmed.
  std::string body;                                          // At most kBodyBytesMax.
};

// "204" or "200-299" contains `status`; anything else contains nothing.
bool StatusMatches(absl::string_view range, uint32_t status);

class HttpJudge {
 public:
  HttpJudge();
  ~HttpJudge();

  // UNSPECIFIED failure: the answer passes. A pattern that does not compile fails with PROTOCOL.
  // Latency is left to the caller.
  RunResult Judge(const v1::HttpCheck& check, const HttpAnswer& answer);

 private:
  // Compiled, or nullptr when it does not compile. Kept, at most 64; then all are forgotten.
  const re2::RE2* Pattern(const std::string& pattern);
  bool HeaderPasses(const v1::HeaderMatch& match, const HttpAnswer& answer);

  std::map<std::string, std::unique_ptr<re2::RE2>> patterns_;
};

}  // namespace pointsman::agent
