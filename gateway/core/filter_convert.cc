#include "gateway/core/filter_convert.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/core/policy_time.h"
#include "gateway/core/rate_limit.h"
#include "gateway/core/request_buffer.h"

namespace pointsman::gateway {
namespace {

RateLimitOptions RateLimitOf(const v1::RateLimit& message) {
  RateLimitOptions options;
  if (std::isfinite(message.requests_per_second())) {
    options.requests_per_second = std::clamp(message.requests_per_second(), 0.001, 1e6);
  }
  const double seconds_worth = std::max(1.0, std::ceil(options.requests_per_second));
  options.burst = message.burst() > 0 ? std::min(message.burst(), 1'000'000u)
                                      : static_cast<uint32_t>(seconds_worth);
  options.max_wait =
      std::clamp(DurationOf(message.max_wait()), absl::ZeroDuration(), absl::Seconds(30));
  return options;
}

// Adds what `make` returns, or the filter of before that was compiled from the same.
template <typename Make>
void AddFilter(std::string source, const FilterChain* before, FilterChain* chain, Make make) {
  std::shared_ptr<const Filter> filter;
  for (size_t i = 0; before != nullptr && i < before->sources.size(); ++i) {
    if (before->sources[i] == source) filter = before->filters[i];
  }
  if (filter == nullptr) filter = make();
  chain->filters.push_back(std::move(filter));
  chain->sources.push_back(std::move(source));
}

}  // namespace

std::shared_ptr<const FilterChain> FiltersOf(const v1::Route& message, const RouteEntry* route) {
  std::shared_ptr<const FilterChain> before = route == nullptr ? nullptr : route->filters;
  auto chain = std::make_shared<FilterChain>();
  if (message.has_rate_limit()) {
    AddFilter(absl::StrCat("rate_limit ", message.rate_limit().SerializeAsString()), before.get(),
              chain.get(),
              [&] { return std::make_shared<RateLimit>(RateLimitOf(message.rate_limit())); });
  }
  // Behind what may refuse: a body is only kept for what goes on.
  if (message.buffer_request()) {
    AddFilter("buffer_request", before.get(), chain.get(),
              [] { return std::make_shared<RequestBuffer>(); });
  }
  if (chain->filters.empty()) return nullptr;
  if (before != nullptr && before->sources == chain->sources) return before;
  return chain;
}

}  // namespace pointsman::gateway
