#include "gateway/tls/ticket_keys.h"

#include <openssl/rand.h>

#include <algorithm>

namespace pointsman::gateway {
namespace {

constexpr size_t kKeyBytes =
    sizeof(TicketKey::name) + sizeof(TicketKey::cipher) + sizeof(TicketKey::mac);

template <size_t kSize>
void Cut(absl::string_view* bytes, std::array<uint8_t, kSize>& out) {
  std::copy_n(bytes->begin(), kSize, out.begin());
  bytes->remove_prefix(kSize);
}

}  // namespace

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

std::string EncodeTickets(const TicketRing& ring) {
  std::string bytes;
  for (const TicketKey& key : ring) {
    bytes.append(key.name.begin(), key.name.end());
    bytes.append(key.cipher.begin(), key.cipher.end());
    bytes.append(key.mac.begin(), key.mac.end());
  }
  return bytes;
}

absl::StatusOr<TicketRing> DecodeTickets(absl::string_view bytes) {
  if (bytes.empty() || bytes.size() % kKeyBytes != 0 ||
      bytes.size() > kKeyBytes * kTicketKeysKept) {
    return absl::InvalidArgumentError("not a ring of ticket keys");
  }
  TicketRing ring;
  ring.reserve(kTicketKeysKept);
  while (!bytes.empty()) {
    TicketKey& key = ring.emplace_back();
    Cut(&bytes, key.name);
    Cut(&bytes, key.cipher);
    Cut(&bytes, key.mac);
  }
  return ring;
}

}  // namespace pointsman::gateway
