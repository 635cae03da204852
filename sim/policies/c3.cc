#include "sim/policies/c3.h"

#include <limits>

#include "common/core/check.h"
#include "sim/random.h"

namespace pointsman::sim {

C3Policy::C3Policy(size_t endpoints, const C3Options& options)
    : options_(options), averages_(endpoints) {
  PM_CHECK(endpoints >= 1 && options.clients > 0);
  PM_CHECK(options.newest >= 0 && options.newest <= 1);
}

double C3Policy::Rank(size_t endpoint, uint32_t in_flight) const {
  const Averages& of = averages_[endpoint];
  if (!of.known) {
    return in_flight == 0 ? std::numeric_limits<double>::lowest()
                          : std::numeric_limits<double>::max();
  }
  const double queue = 1 + in_flight * options_.clients + of.queue;
  return of.response - of.service + queue * queue * queue * of.service;
}

size_t C3Policy::Pick(const PickView& view, absl::BitGenRef random) {
  // From a random place on, so that equals are as likely.
  const size_t n = averages_.size();
  const size_t begin = UniformIndex(n, random);
  size_t best = begin;
  double lowest = Rank(begin, view.in_flight[begin]);
  for (size_t step = 1; step < n; ++step) {
    const size_t endpoint = begin + step < n ? begin + step : begin + step - n;
    const double rank = Rank(endpoint, view.in_flight[endpoint]);
    if (rank >= lowest) continue;
    lowest = rank;
    best = endpoint;
  }
  return best;
}

void C3Policy::Mix(double sample, double* average, bool known) const {
  *average = known ? options_.newest * sample + (1 - options_.newest) * *average : sample;
}

void C3Policy::OnResult(size_t endpoint, const RequestResult& result,
                        common::MonotonicTime /*now*/) {
  Averages& of = averages_[endpoint];
  const bool known = of.known;
  Mix(absl::ToDoubleMicroseconds(result.latency), &of.response, known);
  // Without an answer there is no word of the server's: all of it might have been service.
  const absl::Duration served = result.server_told ? result.served : result.latency;
  Mix(absl::ToDoubleMicroseconds(served), &of.service, known);
  Mix(result.queued, &of.queue, known);
  of.known = true;
}

}  // namespace pointsman::sim
