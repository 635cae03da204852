#include "common/core/path_template.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/core/request_path.h"
#include "common/core/status_macros.h"

namespace pointsman::common {
namespace {

using Segment = PathTemplate::Segment;
using Kind = Segment::Kind;

bool IsIdentifier(absl::string_view name) {
  if (name.empty() || absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
  });
}

absl::StatusOr<Segment> ParseSegment(absl::string_view text) {
  if (text == "*") return Segment{Kind::kOne, ""};
  if (text == "**") return Segment{Kind::kRest, ""};
  if (!absl::StartsWith(text, "{") || !absl::EndsWith(text, "}")) {
    if (text.find_first_of("{}*") == absl::string_view::npos) {
      return Segment{Kind::kLiteral, std::string(text)};
    }
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": {name}, {name=**}, * and ** stand for whole segments"));
  }
  text = text.substr(1, text.size() - 2);
  Kind kind = Kind::kOne;
  if (absl::ConsumeSuffix(&text, "=**")) {
    kind = Kind::kRest;
  } else {
    absl::ConsumeSuffix(&text, "=*");
  }
  if (IsIdentifier(text)) return Segment{kind, std::string(text)};
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is no name: letters, digits and _, no digit first"));
}

}  // namespace

absl::string_view TakeSegment(absl::string_view* path) {
  const size_t slash = path->find('/');
  const absl::string_view segment = path->substr(0, slash);
  *path = slash == absl::string_view::npos ? absl::string_view() : path->substr(slash + 1);
  return segment;
}

absl::string_view UpToBorder(absl::string_view segment) {
  for (size_t at = segment.find_first_of(";%"); at != absl::string_view::npos;
       at = segment.find_first_of(";%", at + 1)) {
    if (SegmentEndsBefore(segment.substr(at))) return segment.substr(0, at);
  }
  return segment;
}

absl::StatusOr<PathTemplate> PathTemplate::Parse(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "/")) {
    return absl::InvalidArgumentError("a template begins with \"/\"");
  }
  PathTemplate parsed;
  for (const absl::string_view part : absl::StrSplit(text, '/')) {
    if (parsed.segments_.size() == kSegmentsMax) {
      return absl::ResourceExhaustedError(
          absl::StrCat("a template has at most ", kSegmentsMax, " segments"));
    }
    if (!parsed.segments_.empty() && parsed.segments_.back().kind == Kind::kRest) {
      return absl::InvalidArgumentError("nothing may follow **");
    }
    PM_ASSIGN_OR_RETURN(Segment segment, ParseSegment(part));
    if (segment.kind != Kind::kLiteral && !segment.text.empty() && parsed.Has(segment.text)) {
      return absl::InvalidArgumentError(absl::StrCat("{", segment.text, "} comes twice"));
    }
    parsed.segments_.push_back(std::move(segment));
  }
  return parsed;
}

bool PathTemplate::Has(absl::string_view name) const {
  if (name.empty()) return false;
  return std::any_of(segments_.begin(), segments_.end(), [name](const Segment& segment) {
    return segment.kind != Kind::kLiteral && segment.text == name;
  });
}

std::optional<absl::string_view> PathTemplate::Capture(absl::string_view path,
                                                       absl::string_view name) const {
  std::optional<absl::string_view> found;
  if (name.empty() || !absl::ConsumePrefix(&path, "/")) return std::nullopt;
  for (const Segment& segment : segments_) {
    if (path.data() == nullptr) return std::nullopt;
    const absl::string_view rest = path;
    const absl::string_view text = TakeSegment(&path);
    switch (segment.kind) {
      case Kind::kLiteral:
        if (UpToBorder(text) != segment.text) return std::nullopt;
        break;
      case Kind::kOne:
        if (text.empty()) return std::nullopt;
        if (segment.text == name) found = text;
        break;
      case Kind::kRest:
        if (rest.empty() || segment.text != name) return rest.empty() ? std::nullopt : found;
        return rest;
    }
  }
  return path.data() == nullptr ? found : std::nullopt;
}

}  // namespace pointsman::common
