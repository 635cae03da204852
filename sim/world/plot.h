#pragma once

// A run over time, for a spreadsheet or to look at. Pure; O(seconds).

#include <string>

#include "sim/world/record.h"
#include "sim/world/scenario.h"

namespace pointsman::sim {

// A line for each second: "second,requests,errors,p50_ms,p99_ms,fault_share".
std::string SeriesCsv(const WorldResult& result);

// A picture of its own: what clients waited for (on a logarithmic scale), what they saw fail, and
// what part of its due the faulty endpoint got; the time of the first fault is shaded.
std::string SeriesSvg(const Scenario& scenario, const WorldResult& result);

}  // namespace pointsman::sim
