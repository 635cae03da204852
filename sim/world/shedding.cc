#include "sim/world/shedding.h"

#include <algorithm>

namespace pointsman::sim {
namespace {

size_t BinOf(absl::Duration at) { return static_cast<size_t>(at / Shedding::kBin); }

}  // namespace

Shedding::Shedding(absl::Duration begins, absl::Duration lasts)
    : first_(BinOf(begins)), end_(begins + lasts) {}

void Shedding::OnTry(absl::Duration at) {
  const size_t bin = BinOf(at);
  if (bin >= tries_.size()) tries_.resize(bin + 1);
  ++tries_[bin];
}

std::optional<absl::Duration> Shedding::Halved(absl::Duration measured) const {
  const auto in = [this](size_t from, size_t to) {
    uint64_t sum = 0;
    for (size_t bin = from; bin < std::min(to, tries_.size()); ++bin) sum += tries_[bin];
    return static_cast<double>(sum);
  };
  const double before = in(0, first_);
  if (before == 0) return std::nullopt;
  const double enough = 0.5 * before * kLook / static_cast<double>(first_);
  const size_t end = BinOf(std::min(end_, measured));
  for (size_t bin = first_; bin + kLook <= end; ++bin) {
    if (in(bin, bin + kLook) <= enough) return kBin * static_cast<int64_t>(bin - first_);
  }
  return std::nullopt;
}

}  // namespace pointsman::sim
