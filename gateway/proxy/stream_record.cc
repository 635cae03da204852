// What a stream tells of itself: to an access log at its end, and to clients that may know why it
// failed. Only done when somebody wants to know.

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/core/address.h"
#include "common/core/ip_address.h"
#include "gateway/grpc/status.h"
#include "gateway/http/trace_context.h"
#include "gateway/proxy/stream.h"
#include "gateway/tls/filter.h"

namespace pointsman::gateway {

// In the answer's trailers, or in its head when nothing else came.
int Stream::ToldGrpcStatus() const {
  if (!grpc_) return -1;
  if (reason_ != Reason::kNone && phase_ != Phase::kResponding) {
    return static_cast<int>(reason_ == Reason::kNotGrpc ? GrpcStatusOf(response_->status)
                                                        : GrpcStatusOf(reason_));
  }
  const auto& fields = response_->block.fields();
  for (size_t i = fields.size(); i > 0; --i) {
    int status = 0;
    if (response_->block.At(fields[i - 1].name) != "grpc-status") continue;
    return absl::SimpleAtoi(response_->block.At(fields[i - 1].value), &status) && status >= 0
               ? status
               : -1;
  }
  return -1;
}

void Stream::Tell() {
  const HeaderBlock& block = request_.block;
  RequestRecord record;
  record.worker = context_->index;
  record.client = counted_ ? ClientHost() : client_->PeerHost();
  record.peer = client_->PeerHost();
  const absl::string_view via = client_->Via();
  record.protocol = via.substr(0, via.find(' '));
  if (counted_) {  // Else the head is not whole, or not what it seems.
    record.method = block.At(request_.method_text);
    record.authority = block.At(request_.authority);
    // As it was matched, whatever it was rewritten to.
    record.target = block.At(request_.path.size > 0 ? request_.path : request_.target);
  }
  record.route = route_name_;
  record.service = service_name_;
  if (in_service_) {
    const Field* id = block.Find(FieldToken::kXRequestId);
    record.request_id =
        id != nullptr ? block.At(id->value) : absl::string_view(request_id_, sizeof(request_id_));
  }
  if (trace_begun_) {
    record.trace_id = absl::string_view(traceparent_ + kTraceIdAt, kTraceIdBytes);
  } else if (const auto trace = counted_ ? TraceParentOf(block) : std::nullopt) {
    record.trace_id = trace->trace_id;
  }
  if (const TlsFilter* tls = client_->Tls(); tls != nullptr) {
    record.tls = tls->version();
    record.server_name = tls->server_name();
  }
  if (attempt_ > 0) record.endpoint = &address_;
  // Copied only for those that have two.
  common::Address endpoint;
  if (attempt_ > 0 && other_.has_value()) {
    endpoint = LastEndpoint();
    record.endpoint = &endpoint;
  }
  record.status = status_;
  record.reason = reason_;
  record.grpc_status = ToldGrpcStatus();
  record.tries = tries_;
  record.received_bytes = body_bytes_;
  record.sent_bytes = answer_bytes_;
  // The first byte's time is the clock's, the loop's may be that of before.
  record.ended = std::max(context_->loop.Now(), first_byte_);
  const common::MonotonicTime never;
  record.duration = counted_ ? record.ended - started_ : absl::ZeroDuration();
  if (first_byte_ != never) record.first_byte = first_byte_ - started_;
  if (try_sent_ != never) record.connect = try_sent_ - try_begun_;
  context_->observer->OnRequest(record);
}

common::Address Stream::LastEndpoint() const {
  const bool at_other = upstream_ != nullptr ? upstream_->at_other() : at_other_;
  if (!at_other || !other_.has_value()) return address_;
  common::Address address;
  address.kind = other_->v6 ? common::Address::Kind::kIpv6 : common::Address::Kind::kIpv4;
  address.bytes = other_->bytes;
  address.port = address_.port;
  return address;
}

bool Stream::WantsDetails() const {
  const common::CidrSet* trusted = context_->limits.error_details_to.get();
  if (trusted == nullptr) return false;
  const std::optional<common::IpAddress> client = common::ParseIpAddress(ClientHost());
  return client.has_value() && trusted->Contains(*client);
}

// A line each; the first is what everybody is told.
std::string Stream::Details(Reason reason) const {
  std::string text = absl::StrCat(ReasonName(reason), "\n");
  if (service_name_.empty()) return text;
  absl::StrAppend(&text, "service: ", service_name_, "\ntries: ", tries_, "\n");
  if (attempt_ > 0) {
    absl::StrAppend(&text, "last endpoint: ", common::ToString(LastEndpoint()), "\n");
  }
  absl::StrAppend(&text, "after: ", absl::FormatDuration(context_->loop.Now() - started_), "\n");
  return text;
}

}  // namespace pointsman::gateway
