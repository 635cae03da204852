#include "sim/world/plot.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pointsman::sim {
namespace {

constexpr double kWidth = 900, kLeft = 70, kRight = 20, kPanel = 150, kGap = 45, kTop = 50;

// One panel's values over time.
struct Line {
  const char* name;
  const char* colour;
  std::vector<double> values;
};

struct Panel {
  const char* title;
  bool logarithmic = false;
  double least = 0;  // The axis spans at least from here
  double most = 1;   // to here.
  std::vector<Line> lines;
};

class Svg {
 public:
  explicit Svg(double seconds) : seconds_(std::max(seconds, 1.0)) {}

  double X(double second) const { return kLeft + second / seconds_ * (kWidth - kLeft - kRight); }

  void Shade(double from, double to, double height) {
    absl::StrAppendFormat(&body_,
                          "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                          "fill=\"#f6d5d5\"/>\n",
                          X(from), kTop, X(std::min(to, seconds_)) - X(from), height);
  }

  void Add(const Panel& panel, double top) {
    double most = panel.most;
    for (const Line& line : panel.lines) {
      for (const double value : line.values) most = std::max(most, value);
    }
    const auto y = [&](double value) {
      double part = (value - panel.least) / (most - panel.least);
      if (panel.logarithmic) {
        part = std::log(std::max(value, panel.least) / panel.least) / std::log(most / panel.least);
      }
      return top + kPanel * (1 - std::clamp(part, 0.0, 1.0));
    };
    Text(kLeft, top - 8, "start", panel.title);
    absl::StrAppendFormat(&body_,
                          "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                          "fill=\"none\" stroke=\"#999\"/>\n",
                          kLeft, top, kWidth - kLeft - kRight, kPanel);
    Text(kLeft - 6, top + 10, "end", absl::StrFormat("%.4g", most));
    Text(kLeft - 6, top + kPanel, "end", absl::StrFormat("%.4g", panel.least));
    double legend = kWidth - kRight;
    for (const Line& line : panel.lines) {
      std::string points;
      for (size_t i = 0; i < line.values.size(); ++i) {
        absl::StrAppendFormat(&points, "%.1f,%.1f ", X(static_cast<double>(i) + 0.5),
                              y(line.values[i]));
      }
      absl::StrAppendFormat(
          &body_, "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>\n",
          points, line.colour);
      if (panel.lines.size() < 2) continue;
      absl::StrAppendFormat(
          &body_, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\" fill=\"%s\">%s</text>\n", legend,
          top - 8, line.colour, line.name);
      legend -= 50;
    }
  }

  void Text(double x, double y, const char* anchor, const std::string& text) {
    absl::StrAppendFormat(&body_, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x,
                          y, anchor, text);
  }

  std::string Finish(double height) const {
    return absl::StrFormat(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n%s</svg>\n",
        kWidth, height, body_);
  }

 private:
  double seconds_;
  std::string body_;
};

// What is in names and summaries of ours cannot break the picture.
std::string Plain(absl::string_view text) {
  std::string out;
  for (const char c : text) out += c == '<' || c == '>' || c == '&' ? ' ' : c;
  return out;
}

}  // namespace

std::string SeriesCsv(const WorldResult& result) {
  std::string out = "second,requests,errors,p50_ms,p99_ms,fault_share\n";
  for (const SeriesPoint& point : result.series) {
    absl::StrAppendFormat(&out, "%.0f,%d,%d,%.3f,%.3f,%.4f\n", point.at_s, point.requests,
                          point.errors, point.p50_ms, point.p99_ms, point.fault_share);
  }
  return out;
}

std::string SeriesSvg(const Scenario& scenario, const WorldResult& result) {
  Panel latency{
      "latency of clients, ms", true, 1, 100, {{"p50", "#1f77b4", {}}, {"p99", "#d62728", {}}}};
  Panel errors{"errors a second", false, 0, 1, {{"errors", "#d62728", {}}}};
  Panel share{"weight of the first fault's endpoints, 1: as the others",
              false,
              0,
              1.2,
              {{"share", "#2ca02c", {}}}};
  for (const SeriesPoint& point : result.series) {
    latency.lines[0].values.push_back(point.p50_ms);
    latency.lines[1].values.push_back(point.p99_ms);
    errors.lines[0].values.push_back(static_cast<double>(point.errors));
    share.lines[0].values.push_back(point.fault_share);
  }
  std::vector<Panel> panels = {latency, errors};
  const bool faulty = !scenario.options.faults.empty();
  if (faulty) panels.push_back(share);
  const double height = kTop + static_cast<double>(panels.size()) * (kPanel + kGap);
  const double seconds = static_cast<double>(result.series.size());
  Svg svg(seconds);
  if (faulty) {
    const FaultSpec& fault = scenario.options.faults[0];
    const double begins = absl::ToDoubleSeconds(fault.begins);
    svg.Shade(begins, begins + std::min(absl::ToDoubleSeconds(fault.lasts), seconds),
              height - kTop - kGap);
  }
  svg.Text(
      kLeft, 20, "start",
      Plain(absl::StrCat(scenario.name, ", seed ", scenario.options.seed, ": ", scenario.summary)));
  double top = kTop;
  for (const Panel& panel : panels) {
    svg.Add(panel, top);
    top += kPanel + kGap;
  }
  svg.Text(kWidth - kRight, height - 12, "end", absl::StrFormat("%.0f s", seconds));
  return svg.Finish(height);
}

}  // namespace pointsman::sim
