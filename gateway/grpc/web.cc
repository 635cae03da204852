#include "gateway/grpc/web.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pointsman::gateway {

namespace {

constexpr absl::string_view kGrpc = "application/grpc";
constexpr absl::string_view kBinary = "application/grpc-web";
constexpr absl::string_view kText = "application/grpc-web-text";
constexpr size_t kGroupChars = 4;
constexpr size_t kGroupBytes = 3;

// "+proto" and the like, without parameters.
absl::string_view FormatOf(absl::string_view content_type, size_t prefix) {
  const absl::string_view rest = content_type.substr(prefix);
  if (rest.empty() || rest[0] != '+') return "";
  return rest.substr(0, rest.find_first_of("; "));
}

bool Is(absl::string_view content_type, absl::string_view type) {
  if (!absl::StartsWithIgnoreCase(content_type, type)) return false;
  if (content_type.size() == type.size()) return true;
  const char next = content_type[type.size()];
  return next == '+' || next == ';' || next == ' ';
}

// absl reads more than RFC 4648 4 says: it skips blanks.
bool IsBase64(absl::string_view text) {
  for (const char c : text) {
    const bool known =
        absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '/' || c == '=';
    if (!known) return false;
  }
  return true;
}

void AppendBase64(absl::string_view bytes, std::string* out) {
  std::string text;
  absl::Base64Escape(bytes, &text);
  out->append(text);
}

}  // namespace

GrpcWebKind GrpcWebKindOf(absl::string_view content_type) {
  if (Is(content_type, kBinary)) return GrpcWebKind::kBinary;
  return Is(content_type, kText) ? GrpcWebKind::kText : GrpcWebKind::kNone;
}

std::string GrpcTypeOf(absl::string_view content_type) {
  const bool text = GrpcWebKindOf(content_type) == GrpcWebKind::kText;
  return absl::StrCat(kGrpc, FormatOf(content_type, (text ? kText : kBinary).size()));
}

std::string GrpcWebTypeOf(GrpcWebKind kind, absl::string_view grpc_content_type) {
  const absl::string_view format =
      Is(grpc_content_type, kGrpc) ? FormatOf(grpc_content_type, kGrpc.size()) : "";
  return absl::StrCat(kind == GrpcWebKind::kText ? kText : kBinary, format);
}

std::string GrpcWebTrailerFrame(const HeaderBlock& block) {
  std::string lines;
  for (size_t i = block.head_fields(); i < block.fields().size(); ++i) {
    const Field& field = block.fields()[i];
    if (field.dropped) continue;
    absl::StrAppend(&lines, block.At(field.name), ": ", block.At(field.value), "\r\n");
  }
  if (lines.empty()) return lines;
  const auto size = static_cast<uint32_t>(lines.size());
  const char head[] = {'\x80', static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                       static_cast<char>(size >> 8), static_cast<char>(size)};
  return absl::StrCat(absl::string_view(head, sizeof(head)), lines);
}

bool Base64Reader::Feed(absl::string_view text, std::string* out) {
  if (!IsBase64(text)) return false;
  held_.append(text.data(), text.size());
  absl::string_view whole(held_.data(), held_.size() / kGroupChars * kGroupChars);
  while (!whole.empty()) {
    // Padding ends a piece, and another may follow.
    const size_t padding = whole.find('=');
    const size_t size = padding == absl::string_view::npos
                            ? whole.size()
                            : (padding / kGroupChars + 1) * kGroupChars;
    std::string bytes;
    if (!absl::Base64Unescape(whole.substr(0, size), &bytes)) return false;
    out->append(bytes);
    whole.remove_prefix(size);
  }
  held_.erase(0, held_.size() / kGroupChars * kGroupChars);
  return true;
}

void Base64Writer::Feed(absl::string_view bytes, std::string* out) {
  frames_.Feed(bytes);
  held_.append(bytes.data(), bytes.size());
  const size_t size = frames_.at_border() ? held_.size() : held_.size() / kGroupBytes * kGroupBytes;
  AppendBase64(absl::string_view(held_.data(), size), out);
  held_.erase(0, size);
}

void Base64Writer::Finish(absl::string_view bytes, std::string* out) {
  held_.append(bytes.data(), bytes.size());
  AppendBase64(held_, out);
  held_.clear();
}

}  // namespace pointsman::gateway
