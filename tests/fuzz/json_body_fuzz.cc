// Drives the reader of JSON bodies: the first line is a pointer, what follows a body, cut in two
// pieces by the pointer's length. Whatever they are, the same body in one piece says the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/core/check.h"
#include "gateway/core/json_body.h"

namespace pointsman::gateway {
namespace {

void Drive(absl::string_view input) {
  const size_t line = std::min(input.find('\n'), input.size());
  const JsonBody::Pointer pointer{.number = static_cast<uint32_t>(line),
                                  .steps = PointerSteps(absl::StrCat("/", input.substr(0, line)))};
  const absl::string_view body = input.substr(std::min(line + 1, input.size()));
  const size_t cut = std::min(line, body.size());
  JsonBody whole;
  JsonBody pieces;
  const bool read = whole.Read({body});
  PM_CHECK(pieces.Read({body.substr(0, cut), body.substr(cut)}) == read);
  IsJsonType(body);
  if (!read) return;
  const JsonBody::Field field = whole.Find(pointer);
  const JsonBody::Field again = pieces.Find(pointer);
  PM_CHECK(field.kind == again.kind && field.text == again.text);
  PM_CHECK(whole.Find(pointer).text == field.text);
  pieces.Forget();
  pieces.Trim();
  pieces.Trim();
  PM_CHECK(pieces.Read({body}) && pieces.Find(pointer).text == field.text);
}

}  // namespace
}  // namespace pointsman::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pointsman::gateway::Drive({reinterpret_cast<const char*>(data), size});
  return 0;
}
