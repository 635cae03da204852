#include "common/core/hashing.h"

#include <xxhash.h>

#include "common/core/check.h"

namespace pointsman::common {

uint64_t Hash64(absl::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

uint64_t HashCombine(uint64_t a, uint64_t b) {
  const uint64_t pair[2] = {a, b};
  return XXH3_64bits(pair, sizeof(pair));
}

size_t RendezvousPick(absl::string_view key, std::span<const absl::string_view> members) {
  PM_CHECK(!members.empty());
  const uint64_t key_hash = Hash64(key);
  size_t best = 0;
  uint64_t best_hash = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    const uint64_t hash = HashCombine(Hash64(members[i]), key_hash);
    if (i == 0 || hash > best_hash) {
      best = i;
      best_hash = hash;
    }
  }
  return best;
}

}  // namespace pointsman::common
