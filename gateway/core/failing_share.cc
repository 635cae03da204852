#include "gateway/core/failing_share.h"

#include <algorithm>

namespace pointsman::gateway {
namespace {

constexpr uint32_t kNewest = 8;  // The newest try counts one part of so many.
// Less is nothing: a twentieth of what one failure adds.
constexpr uint32_t kLeast = 400;

}  // namespace

uint32_t FailingShare::Faded(int64_t tick) const {
  const auto share = static_cast<uint32_t>(packed_ & 0xffff);
  const int64_t elapsed = std::max<int64_t>(0, tick - static_cast<int64_t>(packed_ >> 16));
  constexpr int64_t half_life = kHalfLifeMillis * 1000 / kTickMicros;
  const int64_t halves = elapsed / half_life;
  if (halves >= 16) return 0;  // kForgotten.
  const uint32_t whole = share >> halves;
  // Straight from one half to the next.
  return whole - static_cast<uint32_t>(whole * (elapsed % half_life) / (2 * half_life));
}

FailingShare FailingShare::After(bool failed, common::MonotonicTime now) const {
  if (packed_ == 0 && !failed) return *this;
  const int64_t tick = std::max<int64_t>(0, now.micros() / kTickMicros);
  const uint32_t before = packed_ == 0 ? 0 : Faded(tick);
  const uint32_t share =
      failed ? before + (kAll - before + kNewest - 1) / kNewest : before - before / kNewest;
  if (share < kLeast) return FailingShare();
  return FailingShare(static_cast<uint64_t>(tick) << 16 | share);
}

}  // namespace pointsman::gateway
