#include "gateway/proxy/grpc_web_side.h"

#include <string>
#include <utility>

#include "common/core/check.h"
#include "gateway/grpc/status.h"
#include "gateway/net/out_queue.h"

namespace pointsman::gateway {

namespace {

void SetContentType(absl::string_view type, HeaderBlock* block) {
  const TextRef value = block->Keep(type);
  for (size_t i = 0; i < block->head_fields(); ++i) {
    Field& field = block->fields()[i];
    if (field.token == FieldToken::kContentType) field.value = value;
  }
}

}  // namespace

void GrpcWebSide::TranslateRequest(RequestHead* head) const {
  HeaderBlock& block = head->block;
  const Field* type = block.Find(FieldToken::kContentType);
  SetContentType(GrpcTypeOf(block.At(type->value)), &block);
  head->wants_trailers = true;
  if (kind_ != GrpcWebKind::kText || head->body != BodyKind::kLength) return;
  head->body = BodyKind::kChunked;
  head->content_length = -1;
}

bool GrpcWebSide::TranslateData(Slice* data) {
  if (kind_ != GrpcWebKind::kText || data->empty()) return true;
  std::string bytes;
  if (!reader_.Feed(data->view(), &bytes)) return false;
  if (bytes.empty()) {
    *data = Slice{};
    return true;
  }
  // Base64 is longer than what it says, but for what the piece before left.
  PM_CHECK(bytes.size() <= kChunkDataBytes);
  ChunkRef chunk = ChunkRef::Adopt(chunks_->Take());
  bytes.copy(chunk->data(), bytes.size());
  const char* begin = chunk->data();
  *data = Slice{std::move(chunk), begin, bytes.size()};
  return true;
}

void GrpcWebSide::TranslateResponse(bool end, ResponseHead* head) const {
  HeaderBlock& block = head->block;
  const Field* type = block.Find(FieldToken::kContentType);
  if (type != nullptr && IsGrpcContentType(block.At(type->value))) {
    SetContentType(GrpcWebTypeOf(kind_, block.At(type->value)), &block);
  }
  // The trailers come on top of what was announced.
  if (end || head->body == BodyKind::kNone) return;
  head->body = BodyKind::kChunked;
  head->content_length = -1;
}

void GrpcWebSide::SendBytes(absl::string_view bytes) {
  OutQueue queue(chunks_);
  queue.Append(bytes);
  for (const Slice& slice : queue.slices()) client_->SendData(slice);
}

void GrpcWebSide::SendData(Slice data) {
  if (kind_ != GrpcWebKind::kText) return client_->SendData(std::move(data));
  std::string text;
  writer_.Feed(data.view(), &text);
  if (!text.empty()) SendBytes(text);
}

void GrpcWebSide::SendEnd(const ResponseHead& head) {
  static const ResponseHead* const none = new ResponseHead();
  if (head.body == BodyKind::kNone) return client_->SendEnd(*none);
  std::string last = GrpcWebTrailerFrame(head.block);
  if (kind_ == GrpcWebKind::kText) {
    std::string text;
    writer_.Finish(last, &text);
    last = std::move(text);
  }
  if (!last.empty()) SendBytes(last);
  client_->SendEnd(*none);
}

void GrpcWebSide::SendOwn(const OwnResponse& response, bool request_ended) {
  OwnResponse own = response;
  own.grpc_content_type =
      kind_ == GrpcWebKind::kText ? "application/grpc-web-text" : "application/grpc-web";
  client_->SendOwn(own, request_ended);
}

}  // namespace pointsman::gateway
