#include "gateway/core/observer.h"

#include <algorithm>
#include <utility>

namespace pointsman::gateway {
namespace {

void SetDuration(int64_t micros, google::protobuf::Duration* out) {
  out->set_seconds(micros / 1'000'000);
  out->set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
}

}  // namespace

CellTotals Observer::Sum(const CellTotals& a, const CellTotals& b) {
  CellTotals sum = a;
  sum.requests += b.requests;
  sum.connect_failures += b.connect_failures;
  sum.resets += b.resets;
  sum.timeouts += b.timeouts;
  sum.server_errors += b.server_errors;
  sum.latency_sum_micros += b.latency_sum_micros;
  sum.latency_count += b.latency_count;
  sum.avoided_micros += b.avoided_micros;
  sum.in_flight = b.in_flight;
  sum.unreachable_in_a_row = b.unreachable_in_a_row;
  sum.timeouts_in_a_row = b.timeouts_in_a_row;
  sum.in_flight_micros += b.in_flight_micros;
  for (size_t i = 0; i < kCellLatencyBuckets; ++i) sum.latency_buckets[i] += b.latency_buckets[i];
  return sum;
}

bool Observer::Used(const CellTotals& now, const CellTotals& before) {
  return now.requests != before.requests || now.avoided_micros != before.avoided_micros ||
         now.in_flight_micros != before.in_flight_micros || now.in_flight != 0 ||
         before.in_flight != 0;
}

void Observer::Look(const Endpoint& endpoint, Seen* seen) const {
  if (seen->cell != endpoint.cell) {
    seen->before = Sum(seen->before, seen->current);
    seen->current = CellTotals();
    seen->cell = endpoint.cell;
  }
  if (endpoint.cell.valid()) seen->current = cells_.Totals(endpoint.cell);
}

void Observer::Write(const Endpoint& endpoint, const Seen& seen, common::MonotonicTime now,
                     v1::EndpointObservation* out) {
  const CellTotals total = Sum(seen.before, seen.current);
  out->set_handle(endpoint.handle);
  out->set_requests(total.requests);
  out->set_connect_failures(total.connect_failures);
  out->set_resets(total.resets);
  out->set_timeouts(total.timeouts);
  out->set_server_errors(total.server_errors);
  SetDuration(total.latency_sum_micros, out->mutable_latency_sum());
  SetDuration(total.avoided_micros, out->mutable_avoided());
  out->set_unreachable_in_a_row(total.unreachable_in_a_row);
  out->set_timeouts_in_a_row(total.timeouts_in_a_row);
  const int64_t window = (now - seen.sent_at) / absl::Microseconds(1);
  if (window > 0) {
    out->set_in_flight(static_cast<float>(
        static_cast<double>(total.in_flight_micros - seen.sent.in_flight_micros) / window));
  }
  size_t used = kCellLatencyBuckets;
  const auto count = [&](size_t i) {
    return total.latency_buckets[i] - seen.sent.latency_buckets[i];
  };
  while (used > 0 && count(used - 1) == 0) --used;
  for (size_t i = 0; i < used; ++i) {
    out->add_latency_buckets(static_cast<uint32_t>(std::min<uint64_t>(count(i), UINT32_MAX)));
  }
}

void Observer::CollectService(const ServiceTable& service, size_t begin, common::MonotonicTime now,
                              v1::Observations* out) {
  SeenService& seen_service = services_[service.name];
  v1::ServiceObservations* message = nullptr;
  const size_t n = service.endpoints.size();
  for (size_t i = 0; i < n; ++i) {
    const size_t position = (begin + i) % n;
    const Endpoint& endpoint = service.endpoints[position];
    if (endpoint.handle == 0) continue;
    const auto [it, added] = seen_service.try_emplace(endpoint.id());
    Seen& seen = it->second;
    if (added) seen.sent_at = last_;
    seen.round = round_;
    Look(endpoint, &seen);
    const CellTotals total = Sum(seen.before, seen.current);
    if (!Used(total, seen.sent)) {
      seen.sent_at = now;
      continue;
    }
    if (written_ >= kEndpointsMax) {
      if (!full_at_.has_value()) full_at_ = position;
      continue;
    }
    if (message == nullptr) {
      message = out->add_services();
      message->set_service(service.name);
      message->mutable_version()->set_epoch(service.version.epoch);
      message->mutable_version()->set_revision(service.version.revision);
    }
    Write(endpoint, seen, now, message->add_endpoints());
    seen.sent = total;
    seen.sent_at = now;
    ++written_;
  }
  std::erase_if(seen_service, [this](const auto& item) { return item.second.round != round_; });
}

v1::Observations Observer::Collect(const RoutingTable& table, common::MonotonicTime now) {
  v1::Observations out;
  out.set_sequence(++sequence_);
  SetDuration(absl::ToInt64Microseconds(now - last_), out.mutable_window());
  ++round_;
  written_ = 0;
  full_at_.reset();
  const size_t n = table.services.size();
  if (first_service_ >= n) first_service_ = first_position_ = 0;
  const size_t begin = first_service_;
  const size_t begin_position = std::exchange(first_position_, 0);
  for (size_t i = 0; i < n; ++i) {
    const size_t index = (begin + i) % n;
    const bool room = !full_at_.has_value();
    CollectService(*table.services[index], i == 0 ? begin_position : 0, now, &out);
    if (room && full_at_.has_value()) {
      first_service_ = index;
      first_position_ = *full_at_;
    }
  }
  std::erase_if(services_, [](const auto& item) { return item.second.empty(); });
  last_ = now;
  return out;
}

}  // namespace pointsman::gateway
