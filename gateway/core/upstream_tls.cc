#include "gateway/core/upstream_tls.h"

#include <algorithm>

#include "common/core/hashing.h"

namespace pointsman::gateway {

uint64_t UpstreamTlsKey(const UpstreamTls& tls) {
  uint64_t key = common::Hash64(tls.ca_pem, tls.insecure ? 1 : 0);
  key = common::HashCombine(key,
                            common::Hash64(tls.server_name, static_cast<uint64_t>(tls.protocol)));
  return std::max<uint64_t>(key, 1);
}

}  // namespace pointsman::gateway
