// What a stream does for gRPC (docs/design/grpc.md): the client's deadline, and answers in gRPC's
// own terms.

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gateway/grpc/status.h"
#include "gateway/grpc/timeout.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

namespace {

void AddTrailer(absl::string_view name, absl::string_view value, HeaderBlock* block) {
  Field field;
  field.name = {static_cast<uint32_t>(block->text_size()), static_cast<uint32_t>(name.size())};
  block->AppendText(name);
  field.value = {static_cast<uint32_t>(block->text_size()), static_cast<uint32_t>(value.size())};
  block->AppendText(value);
  block->AddField(field);
}

}  // namespace

// First of all, so that whatever is wrong with the request is said in terms that it understands.
// A CONNECT is none: its client would take 200 for the tunnel.
void Stream::RecogniseGrpc() {
  if (request_.extended_connect || request_.method == Method::kConnect) return;
  const Field* type = request_.block.Find(FieldToken::kContentType);
  if (type == nullptr) return;
  const absl::string_view name = request_.block.At(type->value);
  grpc_ = IsGrpcContentType(name) || BeginGrpcWeb(GrpcWebKindOf(name));
}

// The deadline of a gRPC request is part of its head.
Reason Stream::PrepareGrpc() {
  if (!grpc_) return Reason::kNone;
  if (web_ != nullptr) web_->TranslateRequest(&request_);
  const Field* timeout = request_.block.Find(FieldToken::kGrpcTimeout);
  if (timeout == nullptr) return Reason::kNone;
  const auto wait = ParseGrpcTimeout(request_.block.At(timeout->value));
  if (!wait.has_value()) return Reason::kBadGrpcTimeout;
  grpc_deadline_ = started_ + *wait;
  return Reason::kNone;
}

bool Stream::BeginGrpcWeb(GrpcWebKind kind) {
  if (kind == GrpcWebKind::kNone) return false;
  web_ = std::make_unique<GrpcWebSide>(kind, client_, &context_->chunks);
  client_ = web_.get();
  return true;
}

void Stream::OnGrpcWebData(Slice data, bool end) {
  if (!web_->TranslateData(&data)) return Fail(Reason::kBadGrpcWeb);
  if (!data.empty()) return ForwardData(std::move(data), end);
  if (end) return OnRequestEnd();
  UpdateRequestCredit();
}

// Each try is told what is left of the client's time. False: nothing is.
bool Stream::TellGrpcTimeout(common::MonotonicTime now) {
  if (grpc_deadline_ == common::MonotonicTime::Infinite()) return true;
  const absl::Duration left = grpc_deadline_ - now;
  if (left <= absl::ZeroDuration()) return false;
  char text[kGrpcTimeoutBytesMax];
  const size_t size = WriteGrpcTimeout(left, text);
  HeaderBlock& block = request_.block;
  for (Field& field : block.fields()) {
    if (field.token != FieldToken::kGrpcTimeout) continue;
    field.value = {static_cast<uint32_t>(block.text_size()), static_cast<uint32_t>(size)};
    block.AppendText(absl::string_view(text, size));
    break;
  }
  return true;
}

// UNAVAILABLE without any message is the endpoint's failure; every other status is its
// application's answer.
bool Stream::GrpcUnavailable(bool end) const {
  if (!grpc_ || !end) return false;
  int status = 0;
  return absl::SimpleAtoi(response_->block.Value("grpc-status"), &status) &&
         status == static_cast<int>(GrpcStatus::kUnavailable);
}

// An answer that is none of gRPC's is told in its terms.
bool Stream::AnswerForHttp() {
  if (!grpc_ || response_->status == 200) return false;
  const Field* type = response_->block.Find(FieldToken::kContentType);
  if (type != nullptr && IsGrpcContentType(response_->block.At(type->value))) return false;
  const int http_status = response_->status;
  reason_ = Reason::kNotGrpc;
  if (mirror_side_ == nullptr) context_->counters.reasons[static_cast<size_t>(reason_)].Add();
  EndTry(TryOutcome::kResponse, /*clean=*/false);
  OwnResponse response;
  response.status = ReasonStatus(reason_);
  response.reason = reason_;
  response.grpc_status = static_cast<int>(GrpcStatusOf(http_status));
  Answer(response);
  return true;
}

// The answer has begun: between two messages it can still end in order.
bool Stream::EndGrpcAnswer(Reason reason) {
  if (!grpc_ || phase_ != Phase::kResponding || !grpc_frames_.at_border()) return false;
  if (response_->body == BodyKind::kLength) return false;
  HeaderBlock& block = response_->block;
  if (block.has_trailers()) return false;
  block.BeginTrailers();
  AddTrailer("grpc-status", absl::StrCat(static_cast<int>(GrpcStatusOf(reason))), &block);
  AddTrailer("grpc-message", ReasonName(reason), &block);
  client_->SendEnd(*response_);
  Finish();
  return true;
}

}  // namespace pointsman::gateway
