#include "gateway/http1/serializer.h"

#include <charconv>
#include <cstring>

#include "common/core/check.h"
#include "gateway/http/request_rules.h"
#include "gateway/http/upgrade.h"

namespace pointsman::gateway {

namespace {

constexpr absl::string_view kLineEnd = "\r\n";

// Appends pieces to one reserved place of a queue.
class HeadWriter {
 public:
  // `size` bounds all that will be put; nothing of it is null.
  HeadWriter(size_t size, OutQueue* out) : out_(out) {
    if (size <= kChunkDataBytes) {
      at_ = begin_ = out->Reserve(size);
    }
  }
  ~HeadWriter() {
    if (begin_ != nullptr) out_->Commit(static_cast<size_t>(at_ - begin_));
  }
  void Put(absl::string_view text) {
    if (begin_ == nullptr) {
      out_->Append(text);  // A head too large for one chunk.
      return;
    }
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void PutField(absl::string_view name, absl::string_view value) {
    Put(name);
    Put(": ");
    Put(value);
    Put(kLineEnd);
  }
  void PutNumberField(absl::string_view name, int64_t value) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    PutField(name, absl::string_view(digits, static_cast<size_t>(end - digits)));
  }

 private:
  OutQueue* out_;
  char* begin_ = nullptr;
  char* at_ = nullptr;
};

// Text of the block plus ": " for each field is more than any copy of it needs.
size_t HeadBound(const HeaderBlock& block, size_t own) {
  return block.text_size() + block.fields().size() * 4 + own;
}

void PutStatusLine(int status, absl::string_view text, HeadWriter* writer) {
  char line[] = "HTTP/1.1 000 ";
  line[9] = static_cast<char>('0' + status / 100 % 10);
  line[10] = static_cast<char>('0' + status / 10 % 10);
  line[11] = static_cast<char>('0' + status % 10);
  writer->Put(absl::string_view(line, sizeof(line) - 1));
  writer->Put(text);
  writer->Put(kLineEnd);
}

void PutUpgrade(const RequestHead& request, HeadWriter* writer) {
  writer->Put("connection: upgrade\r\n");
  writer->PutField("upgrade", UpgradeName(request));
}

}  // namespace

void WriteRequestHead(const RequestHead& head, const ForwardedFacts& facts, OutQueue* out) {
  const HeaderBlock& block = head.block;
  HeadWriter writer(HeadBound(block, 448 + head.authority.size + facts.authority.size() +
                                         facts.client_host.size() + facts.request_id.size()),
                    out);
  writer.Put(block.At(head.method_text));
  writer.Put(" ");
  writer.Put(block.At(head.target));
  writer.Put(" HTTP/1.1\r\n");
  writer.PutField("host", HostToTell(head, facts));
  PutRequestFields(head, facts, [&writer](absl::string_view name, absl::string_view value) {
    writer.PutField(name, value);
  });
  writer.PutField("via", facts.via);
  if (head.body == BodyKind::kChunked) writer.Put("transfer-encoding: chunked\r\n");
  if (head.body == BodyKind::kLength) writer.PutNumberField("content-length", head.content_length);
  if (head.upgrade != Upgrade::kNone) PutUpgrade(head, &writer);
  writer.Put(kLineEnd);
}

void WriteSwitch(const RequestHead& request, const ResponseHead& head, OutQueue* out) {
  const HeaderBlock& block = head.block;
  HeadWriter writer(HeadBound(block, 192 + request.protocols.size), out);
  PutStatusLine(101, StatusText(101), &writer);
  PutFields(
      block, 0, block.head_fields(),
      [&writer](absl::string_view name, absl::string_view value) { writer.PutField(name, value); });
  PutUpgrade(request, &writer);
  if (request.upgrade == Upgrade::kWebSocket) {
    const WebSocketAccept accept = AcceptFor(WebSocketKeyOf(request.block));
    writer.PutField("sec-websocket-accept", absl::string_view(accept.data(), accept.size()));
  }
  writer.Put(kLineEnd);
}

void WriteResponseHead(const ResponseHead& head, const ResponseFraming& framing, OutQueue* out) {
  const HeaderBlock& block = head.block;
  HeadWriter writer(HeadBound(block, 192), out);
  PutStatusLine(head.status, block.At(head.reason), &writer);
  PutFields(
      block, 0, block.head_fields(),
      [&writer](absl::string_view name, absl::string_view value) { writer.PutField(name, value); });
  if (framing.body == BodyKind::kChunked) {
    writer.Put("transfer-encoding: chunked\r\n");
  } else if (framing.content_length >= 0 && framing.body != BodyKind::kUntilClose) {
    writer.PutNumberField("content-length", framing.content_length);
  }
  if (framing.close) {
    writer.Put("connection: close\r\n");
  } else if (framing.legacy_keep_alive) {
    writer.Put("connection: keep-alive\r\n");
  }
  writer.Put(kLineEnd);
}

void WriteOwnResponse(const OwnResponse& response, OutQueue* out) {
  PM_CHECK(response.body.size() <= kChunkDataBytes - 512);
  HeadWriter writer(512 + response.body.size() + response.location.size(), out);
  const bool grpc = response.grpc_status >= 0;
  const int status = grpc ? 200 : response.status;
  PutStatusLine(status, StatusText(status), &writer);
  const bool bodiless = status == 204 || status == 304;
  if (grpc) {
    writer.PutField("content-type", response.grpc_content_type);
    writer.Put("content-length: 0\r\n");
    writer.PutNumberField("grpc-status", response.grpc_status);
    writer.PutField("grpc-message", ReasonName(response.reason));
  } else if (!bodiless) {
    writer.Put("content-type: text/plain\r\n");
    writer.PutNumberField("content-length", static_cast<int64_t>(response.body.size()));
  }
  if (response.reason != Reason::kNone) {
    writer.PutField("x-pointsman-reason", ReasonName(response.reason));
    if (status == 405) writer.PutField("allow", kForwardedMethods);
    if (response.retry_after > 0) writer.PutNumberField("retry-after", response.retry_after);
  }
  if (!response.location.empty()) writer.PutField("location", response.location);
  if (response.close) {
    writer.Put("connection: close\r\n");
  } else if (response.legacy_keep_alive) {
    writer.Put("connection: keep-alive\r\n");
  }
  writer.Put(kLineEnd);
  if (response.with_body && !bodiless && !grpc && !response.body.empty()) writer.Put(response.body);
}

void WriteContinue(OutQueue* out) { out->Append("HTTP/1.1 100 Continue\r\n\r\n"); }

void WriteChunk(const Slice& data, OutQueue* out) {
  char size[20];
  char* end = std::to_chars(size, size + sizeof(size) - 2, data.size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out->Append(absl::string_view(size, static_cast<size_t>(end - size)));
  out->Append(data);
  out->Append(kLineEnd);
}

void WriteLastChunk(const HeaderBlock& block, OutQueue* out) {
  out->Append("0\r\n");
  PutFields(block, block.head_fields(), block.fields().size(),
            [out](absl::string_view name, absl::string_view value) {
              out->Append(name);
              out->Append(": ");
              out->Append(value);
              out->Append(kLineEnd);
            });
  out->Append(kLineEnd);
}

}  // namespace pointsman::gateway
