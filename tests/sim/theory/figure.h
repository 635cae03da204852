#pragma once

// A published figure, what was measured for it, and the check that holds the two together. Each is
// printed, so that `sim_theory_test | grep figure` is the table of docs/design/simulator.md.
// Thread-safe.

#include <cmath>
#include <cstdio>
#include <string>

#include "gtest/gtest.h"

namespace pointsman::sim {

// Fails when `measured` is off by more than the share `tolerance` of `published`.
inline void ExpectFigure(const std::string& what, double published, double measured,
                         double tolerance) {
  std::printf("figure: %-52s published %8.3f  measured %8.3f  (%+.1f %%)\n", what.c_str(),
              published, measured, 100 * (measured / published - 1));
  EXPECT_LE(std::fabs(measured / published - 1), tolerance)
      << what << ": published " << published << ", measured " << measured;
}

}  // namespace pointsman::sim
