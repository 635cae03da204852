#pragma once

// Numbers with units, colours and bars as the CLI prints them, and what keeps text of others from
// steering the terminal. Thread-safe (no state).

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "pointsman/v1/model.pb.h"

namespace pointsman::cli {

enum class Colour { kNone, kGreen, kYellow, kRed, kBlue, kGrey, kBold };

// How to write on this terminal or file.
struct Style {
  bool colour = false;
  // Blocks for bars; else ASCII.
  bool utf8 = false;
  // Columns of the terminal; 0: no bound (a file or a pipe).
  int width = 0;
};

// `text` in the colour, or as it is without colours.
std::string Paint(const Style& style, Colour colour, absl::string_view text);

// Control characters and what is not UTF-8 become '?': text of agents and services cannot move the
// cursor.
std::string Clean(absl::string_view text);

// Characters, not bytes; colours count nothing.
int DisplayWidth(absl::string_view text);

// "350us", "12.5ms", "1.50s", "3m05s", "2h10m", "4d03h"; "-" where nothing is known.
std::string DurationText(absl::Duration duration);
std::string DurationText(bool present, const google::protobuf::Duration& duration);
// "2026-01-02 03:04:05" in `zone`; "-" when 0.
std::string TimeText(const google::protobuf::Timestamp& time, absl::TimeZone zone);
// "12.5%".
std::string PercentText(double share);
// "1.50/s", "120/s", "0/s".
std::string RateText(double per_second);
// Up to three significant digits: "0.25", "12.5", "1200".
std::string NumberText(double number);
// "1.00" for 65,536.
std::string WeightText(uint32_t weight);
// `width` characters, filled by `share` (0 to 1).
std::string Bar(const Style& style, double share, int width);

// "healthy", and its colour.
std::string VerdictText(v1::Verdict verdict);
Colour VerdictColour(v1::Verdict verdict);
// "checks_failed".
std::string ReasonText(v1::Reason reason);
// "eu-1/a", "eu-1", or "-".
std::string LocalityText(const v1::Locality& locality);
// "web/web-3" of "services/web/endpoints/web-3", as people type endpoints; other names as they are.
std::string ShortEndpointName(const std::string& name);

}  // namespace pointsman::cli
