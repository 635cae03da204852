#include "cli/text.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/core/names.h"
#include "common/core/proto_time.h"
#include "common/core/utf8.h"

namespace pointsman::cli {
namespace {

constexpr double kNominalWeight = 65'536;
constexpr absl::string_view kEscape = "\x1b[";
constexpr absl::string_view kReset = "\x1b[0m";

absl::string_view ColourCode(Colour colour) {
  switch (colour) {
    case Colour::kNone:
      return "0m";
    case Colour::kGreen:
      return "32m";
    case Colour::kYellow:
      return "33m";
    case Colour::kRed:
      return "31m";
    case Colour::kBlue:
      return "36m";
    case Colour::kGrey:
      return "90m";
    case Colour::kBold:
      break;
  }
  return "1m";
}

// "HEALTHY" of "VERDICT_HEALTHY", in lower case.
std::string ShortName(absl::string_view name, absl::string_view prefix) {
  absl::ConsumePrefix(&name, prefix);
  return absl::AsciiStrToLower(name);
}

std::string LongDuration(int64_t seconds) {
  if (seconds < 3600) return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
  if (seconds < 86'400) return absl::StrFormat("%dh%02dm", seconds / 3600, seconds / 60 % 60);
  return absl::StrFormat("%dd%02dh", seconds / 86'400, seconds / 3600 % 24);
}

}  // namespace

std::string Paint(const Style& style, Colour colour, absl::string_view text) {
  if (!style.colour || colour == Colour::kNone || text.empty()) return std::string(text);
  return absl::StrCat(kEscape, ColourCode(colour), text, kReset);
}

std::string Clean(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = std::max<size_t>(common::Utf8SequenceLength(text), 1);
    const absl::string_view sequence = text.substr(0, length);
    const unsigned char c = static_cast<unsigned char>(sequence[0]);
    // C1 controls are U+0080 to U+009F.
    const bool c1 = length == 2 && c == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0;
    const bool invalid = length == 1 && c >= 0x80;
    absl::StrAppend(&out, (absl::ascii_iscntrl(c) || c1 || invalid) ? "?" : sequence);
    text.remove_prefix(length);
  }
  return out;
}

int DisplayWidth(absl::string_view text) {
  int width = 0;
  while (!text.empty()) {
    if (absl::ConsumePrefix(&text, kEscape)) {
      text.remove_prefix(std::min(text.find('m'), text.size() - 1) + 1);
      continue;
    }
    text.remove_prefix(std::max<size_t>(common::Utf8SequenceLength(text), 1));
    ++width;
  }
  return width;
}

std::string DurationText(absl::Duration duration) {
  if (duration < absl::ZeroDuration()) return absl::StrCat("-", DurationText(-duration));
  if (duration == absl::InfiniteDuration()) return "-";
  const double micros = absl::ToDoubleMicroseconds(duration);
  if (micros < 1) return "0s";
  if (micros < 999.5) return absl::StrFormat("%.0fus", micros);
  if (micros < 9995) return absl::StrFormat("%.2fms", micros / 1e3);
  if (micros < 99'950) return absl::StrFormat("%.1fms", micros / 1e3);
  if (micros < 999'500) return absl::StrFormat("%.0fms", micros / 1e3);
  if (micros < 9'995'000) return absl::StrFormat("%.2fs", micros / 1e6);
  if (micros < 59'950'000) return absl::StrFormat("%.1fs", micros / 1e6);
  return LongDuration(static_cast<int64_t>(std::llround(micros / 1e6)));
}

std::string DurationText(bool present, const google::protobuf::Duration& duration) {
  return present ? DurationText(common::FromProto(duration)) : "-";
}

std::string TimeText(const google::protobuf::Timestamp& time, absl::TimeZone zone) {
  if (time.seconds() == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(time.seconds()), zone);
}

std::string PercentText(double share) { return absl::StrFormat("%.1f%%", share * 100); }

std::string NumberText(double number) {
  const double size = std::abs(number);
  if (size >= 99.95 || number == 0) return absl::StrFormat("%.0f", number);
  if (size >= 9.995) return absl::StrFormat("%.1f", number);
  return absl::StrFormat("%.2f", number);
}

std::string RateText(double per_second) { return absl::StrCat(NumberText(per_second), "/s"); }

std::string WeightText(uint32_t weight) { return absl::StrFormat("%.2f", weight / kNominalWeight); }

std::string Bar(const Style& style, double share, int width) {
  const double clamped = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0;
  int filled = static_cast<int>(std::lround(clamped * width));
  if (clamped > 0) filled = std::max(filled, 1);  // A little is not nothing.
  std::string out;
  for (int i = 0; i < width; ++i) {
    if (style.utf8) {
      absl::StrAppend(&out, i < filled ? "\u2588" : "\u2591");
    } else {
      out.push_back(i < filled ? '#' : '.');
    }
  }
  return out;
}

std::string VerdictText(v1::Verdict verdict) {
  if (!v1::Verdict_IsValid(verdict)) return absl::StrCat("verdict ", static_cast<int>(verdict));
  if (verdict == v1::VERDICT_UNSPECIFIED) return "-";
  return ShortName(v1::Verdict_Name(verdict), "VERDICT_");
}

Colour VerdictColour(v1::Verdict verdict) {
  switch (verdict) {
    case v1::VERDICT_HEALTHY:
      return Colour::kGreen;
    case v1::VERDICT_DEGRADED:
      return Colour::kYellow;
    case v1::VERDICT_UNHEALTHY:
      return Colour::kRed;
    case v1::VERDICT_STARTING:
    case v1::VERDICT_DRAINING:
      return Colour::kBlue;
    default:
      return Colour::kNone;
  }
}

std::string ReasonText(v1::Reason reason) {
  if (!v1::Reason_IsValid(reason)) return absl::StrCat("reason ", static_cast<int>(reason));
  if (reason == v1::REASON_UNSPECIFIED) return "-";
  return ShortName(v1::Reason_Name(reason), "REASON_");
}

std::string LocalityText(const v1::Locality& locality) {
  if (locality.region().empty() && locality.zone().empty()) return "-";
  if (locality.zone().empty()) return Clean(locality.region());
  return Clean(absl::StrCat(locality.region(), "/", locality.zone()));
}

std::string ShortEndpointName(const std::string& name) {
  const auto ref = common::ParseEndpointName(name);
  return ref.ok() ? absl::StrCat(ref->service, "/", ref->endpoint) : name;
}

}  // namespace pointsman::cli
