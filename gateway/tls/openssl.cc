#include "gateway/tls/openssl.h"

#include <openssl/err.h>

#include "absl/strings/str_cat.h"

namespace pointsman::gateway {

std::string TakeOpensslErrors() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {  // NOLINT(google-runtime-int)
    const char* reason = ERR_reason_error_string(code);
    absl::StrAppend(&text, text.empty() ? "" : "; ", reason != nullptr ? reason : "unknown error");
  }
  return text.empty() ? "unknown error" : text;
}

}  // namespace pointsman::gateway
