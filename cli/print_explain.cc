#include "cli/print_explain.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/print_state.h"
#include "cli/table.h"
#include "common/core/names.h"

namespace pointsman::cli {
namespace {

std::string Indented(absl::string_view text) {
  std::string out;
  size_t start = 0;
  while (start < text.size()) {
    const size_t end = std::min(text.find('\n', start), text.size());
    absl::StrAppend(&out, "  ", text.substr(start, end - start), "\n");
    start = end + 1;
  }
  return out;
}

std::string InputsTable(const v1::Decision& decision, const Style& style) {
  Table table({{"INPUT"}, {"VALUE", true}, {"THRESHOLD", true}, {"SOURCE"}, {"AGE", true}});
  for (const v1::DecisionInput& input : decision.inputs()) {
    table.AddRow({input.name(), input.value(), input.threshold(), input.source(),
                  DurationText(input.has_age(), input.age())});
  }
  Style narrower = style;
  narrower.width = std::max(0, style.width - 2);
  return Indented(table.Format(narrower));
}

// "Verdict: UNHEALTHY, decided 3.00s ago (checks_failed)".
std::string Headline(absl::string_view what, const v1::Decision& decision, const Style& style) {
  std::string result = Clean(decision.result());
  uint32_t weight = 0;
  if (what == "Weight" && absl::SimpleAtoi(result, &weight)) {
    result = absl::StrCat(WeightText(weight), " of nominal (", weight, " of 65536)");
  }
  Colour colour = Colour::kBold;
  v1::Verdict verdict = v1::VERDICT_UNSPECIFIED;
  if (what == "Verdict" && v1::Verdict_Parse(absl::StrCat("VERDICT_", result), &verdict)) {
    colour = VerdictColour(verdict);
  }
  std::string out = absl::StrCat(Paint(style, Colour::kBold, absl::StrCat(what, ": ")),
                                 Paint(style, colour, result));
  if (decision.has_age()) {
    const char* word = what == "Weights" ? ", last step " : ", decided ";
    absl::StrAppend(&out, word, DurationText(true, decision.age()), " ago");
  }
  if (decision.reason() != v1::REASON_UNSPECIFIED) {
    absl::StrAppend(&out, " (", ReasonText(decision.reason()), ")");
  }
  return absl::StrCat(out, "\n");
}

std::string DecisionText(absl::string_view what, const v1::Decision& decision, const Style& style) {
  std::string out = Headline(what, decision, style);
  if (decision.inputs_size() > 0) absl::StrAppend(&out, InputsTable(decision, style));
  if (decision.arithmetic_size() > 0) {
    absl::StrAppend(&out, "  ", Paint(style, Colour::kBold, "Arithmetic"), "\n");
    for (const std::string& step : decision.arithmetic()) {
      absl::StrAppend(&out, "    ", Clean(step), "\n");
    }
  }
  if (decision.would_change_size() > 0) {
    absl::StrAppend(&out, "  ", Paint(style, Colour::kBold, "What would change it"), "\n");
    for (const std::string& cause : decision.would_change()) {
      absl::StrAppend(&out, "    - ", Clean(cause), "\n");
    }
  }
  return out;
}

std::string Title(absl::string_view name, const v1::Explanation& explanation, const Style& style) {
  return absl::StrCat(Paint(style, Colour::kBold, Clean(name)), " in slice epoch ",
                      explanation.version().epoch(), ", revision ",
                      explanation.version().revision(), "\n\n");
}

}  // namespace

std::string ExplanationText(const v1::Explanation& explanation, const Style& style) {
  return absl::StrCat(Title(ShortEndpointName(explanation.name()), explanation, style),
                      DecisionText("Verdict", explanation.verdict(), style), "\n",
                      DecisionText("Weight", explanation.weight(), style));
}

std::string ServiceExplanationText(const v1::Explanation& explanation, const Style& style) {
  return absl::StrCat(Title(common::BareId(explanation.name(), "services"), explanation, style),
                      DecisionText("Routing", explanation.verdict(), style), "\n",
                      DecisionText("Weights", explanation.weight(), style));
}

}  // namespace pointsman::cli
