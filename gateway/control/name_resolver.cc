#include "gateway/control/name_resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/log.h"

namespace pointsman::gateway {
namespace {

std::vector<common::Address> AddressesOf(const addrinfo* list) {
  std::vector<common::Address> addresses;
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    common::Address address;
    if (info->ai_family == AF_INET) {
      address.kind = common::Address::Kind::kIpv4;
      const auto* in = reinterpret_cast<const sockaddr_in*>(info->ai_addr);
      std::memcpy(address.bytes.data(), &in->sin_addr, 4);
    } else if (info->ai_family == AF_INET6) {
      address.kind = common::Address::Kind::kIpv6;
      const auto* in6 = reinterpret_cast<const sockaddr_in6*>(info->ai_addr);
      std::memcpy(address.bytes.data(), &in6->sin6_addr, 16);
    } else {
      continue;
    }
    addresses.push_back(address);
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

}  // namespace

absl::StatusOr<std::vector<common::Address>> ResolveHost(const std::string& name) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (code != 0) {
    const std::string message = absl::StrCat(name, ": ", gai_strerror(code));
    if (code == EAI_NONAME) return absl::NotFoundError(message);
    return absl::UnavailableError(message);
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
  std::vector<common::Address> addresses = AddressesOf(list);
  if (addresses.empty()) return absl::NotFoundError(absl::StrCat(name, ": no address"));
  return addresses;
}

NameResolver::NameResolver(const common::Clock& clock, Options options)
    : clock_(clock), options_(std::move(options)), thread_([this] { Run(); }) {}

NameResolver::~NameResolver() {
  {
    common::MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void NameResolver::SetNames(std::vector<std::string> names) {
  {
    common::MutexLock lock(mutex_);
    if (names == names_) return;
    names_ = std::move(names);
    fresh_ = true;
    settled_ = names_.empty();
  }
  changed_.NotifyAll();
}

void NameResolver::AwaitRound(absl::Duration at_most) {
  const common::MonotonicTime until = clock_.Now() + at_most;
  common::MutexLock lock(mutex_);
  while (!settled_ && !stopping_ && clock_.Now() < until) {
    changed_.WaitFor(mutex_, until - clock_.Now());
  }
}

void NameResolver::Run() {
  while (true) {
    std::vector<std::string> names;
    {
      common::MutexLock lock(mutex_);
      const common::MonotonicTime until = clock_.Now() + options_.interval;
      while (!stopping_ && !fresh_ && (names_.empty() || clock_.Now() < until)) {
        changed_.WaitFor(mutex_, options_.interval);
      }
      if (stopping_) return;
      fresh_ = false;
      names = names_;
    }
    for (const std::string& name : names) {
      auto addresses = options_.resolve(name);
      if (addresses.ok()) {
        options_.on_resolved(name, *std::move(addresses));
      } else {
        common::LogWarning("gateway.resolve_failed",
                           {{"name", name}, {"error", addresses.status().ToString()}});
      }
      common::MutexLock lock(mutex_);
      if (stopping_) return;
    }
    common::MutexLock lock(mutex_);
    if (fresh_) continue;
    settled_ = true;
    changed_.NotifyAll();
  }
}

}  // namespace pointsman::gateway
