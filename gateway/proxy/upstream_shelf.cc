#include "gateway/proxy/upstream_shelf.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace pointsman::gateway {

namespace {

constexpr int kDiscardsMax = 64;

// Nothing came and nothing ended since the last answer.
bool IsQuiet(const Fd& fd) {
  char byte;
  const ssize_t got = recv(fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace

absl::Status UpstreamShelf::Open() {
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return absl::ResourceExhaustedError("no descriptor for the upstream shelf");
  return absl::OkStatus();
}

void UpstreamShelf::CountClosed(size_t count) {
  size_.fetch_sub(count, std::memory_order_relaxed);
  closed_.fetch_add(count, std::memory_order_relaxed);
}

void UpstreamShelf::CloseAll(Row* row) {
  CountClosed(row->kept.size());
  row->kept.clear();
}

bool UpstreamShelf::IsOf(Row* row, CellRef cell) {
  if (row->generation > cell.generation) return false;
  if (row->generation < cell.generation) CloseAll(row);
  row->generation = cell.generation;
  return true;
}

void UpstreamShelf::Put(CellRef cell, Connection connection, common::MonotonicTime deadline) {
  common::MutexLock lock(mutex_);
  // Counted first: whatever keeps it from its place closes it.
  size_.fetch_add(1, std::memory_order_relaxed);
  if (shut_ || connections() > limits_.connections_max) return CountClosed(1);
  Row& row = rows_[cell.index];
  if (!IsOf(&row, cell)) return CountClosed(1);
  if (row.kept.size() >= limits_.per_endpoint_max) {
    row.kept.erase(row.kept.begin());
    CountClosed(1);
  }
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.u64 = uint64_t{cell.index} << 32 | static_cast<uint32_t>(connection.fd.get());
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection.fd.get(), &event) != 0)
    return CountClosed(1);
  row.kept.push_back({std::move(connection), deadline});
}

UpstreamShelf::Connection UpstreamShelf::Take(CellRef cell, common::MonotonicTime now) {
  if (connections() == 0) return {};
  common::MutexLock lock(mutex_);
  const auto found = rows_.find(cell.index);
  if (found == rows_.end() || !IsOf(&found->second, cell)) return {};
  std::vector<Kept>& kept = found->second.kept;
  while (!kept.empty()) {
    Kept last = std::move(kept.back());
    kept.pop_back();
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, last.connection.fd.get(), nullptr);
    if (now < last.deadline && IsQuiet(last.connection.fd)) {
      size_.fetch_sub(1, std::memory_order_relaxed);
      return std::move(last.connection);
    }
    CountClosed(1);
  }
  return {};
}

void UpstreamShelf::Discard() {
  std::array<epoll_event, kDiscardsMax> events;
  common::MutexLock lock(mutex_);
  const int count = epoll_wait(epoll_.get(), events.data(), kDiscardsMax, 0);
  for (int i = 0; i < count; ++i) {
    const uint64_t place = events[static_cast<size_t>(i)].data.u64;
    const auto found = rows_.find(static_cast<uint32_t>(place >> 32));
    if (found == rows_.end()) continue;
    const int fd = static_cast<int>(static_cast<uint32_t>(place));
    CountClosed(std::erase_if(found->second.kept,
                              [fd](const Kept& k) { return k.connection.fd.get() == fd; }));
  }
}

void UpstreamShelf::Expire(common::MonotonicTime now) {
  if (connections() == 0) return;
  common::MutexLock lock(mutex_);
  for (auto& [index, row] : rows_) {
    CountClosed(std::erase_if(row.kept, [now](const Kept& k) { return now >= k.deadline; }));
  }
}

void UpstreamShelf::KeepOnly(const RoutingTable& table) {
  // By cell index: the generation of what is here and not in the table.
  absl::flat_hash_map<uint32_t, uint32_t> unlisted;
  {
    common::MutexLock lock(mutex_);
    for (const auto& [index, row] : rows_) unlisted[index] = row.generation;
  }
  if (unlisted.empty()) return;
  ForEachEndpoint(table, [&unlisted](const ServiceTable&, const Endpoint& endpoint) {
    const auto found = unlisted.find(endpoint.cell.index);
    if (found == unlisted.end()) return;
    if (found->second == endpoint.cell.generation) unlisted.erase(found);
  });
  common::MutexLock lock(mutex_);
  for (const auto& [index, generation] : unlisted) {
    const auto found = rows_.find(index);
    if (found == rows_.end() || found->second.generation != generation) continue;
    CloseAll(&found->second);
    rows_.erase(found);
  }
}

void UpstreamShelf::Close() {
  common::MutexLock lock(mutex_);
  shut_ = true;
  for (auto& [index, row] : rows_) CloseAll(&row);
  rows_.clear();
}

}  // namespace pointsman::gateway
