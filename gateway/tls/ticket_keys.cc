#include "gateway/tls/ticket_keys.h"

#include <openssl/rand.h>

namespace pointsman::gateway {

std::shared_ptr<const TicketRing> RotateTickets(const TicketRing* before) {
  auto ring = std::make_shared<TicketRing>(1);
  TicketKey& key = ring->front();
  if (RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) != 1 ||
      RAND_priv_bytes(key.cipher.data(), static_cast<int>(key.cipher.size())) != 1 ||
      RAND_priv_bytes(key.mac.data(), static_cast<int>(key.mac.size())) != 1) {
    return nullptr;
  }
  for (size_t i = 0; before != nullptr && i < before->size() && i + 1 < kTicketKeysKept; ++i) {
    ring->push_back((*before)[i]);
  }
  return ring;
}

}  // namespace pointsman::gateway
