#pragma once

// gRPC-Web (grpc/doc/PROTOCOL-WEB.md): gRPC for clients that see no trailers, such as browsers. Its
// messages are gRPC's; the trailers come as a last frame of the body, and the text form is all of
// that in base64, whose pieces may be padded each for itself. Pure; thread-compatible.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "gateway/grpc/message_frames.h"
#include "gateway/http/header_block.h"

namespace pointsman::gateway {

enum class GrpcWebKind : uint8_t { kNone, kBinary, kText };

// Of a content-type, in any case and with parameters.
GrpcWebKind GrpcWebKindOf(absl::string_view content_type);
// gRPC's type for gRPC-Web's: "application/grpc-web-text+proto" is "application/grpc+proto".
// REQUIRES: GrpcWebKindOf(content_type) is one.
std::string GrpcTypeOf(absl::string_view content_type);
// And back, for answers.
std::string GrpcWebTypeOf(GrpcWebKind kind, absl::string_view grpc_content_type);

// The last frame: a byte 0x80, four of length, and the trailers as lines "name: value". Empty when
// there are none.
std::string GrpcWebTrailerFrame(const HeaderBlock& block);

// Base64 that comes in pieces of any size.
class Base64Reader {
 public:
  // Appends what is complete. False: it is no base64; nothing more is to be fed.
  bool Feed(absl::string_view text, std::string* out);
  // No group of four is half through.
  bool at_border() const { return held_.empty(); }

 private:
  std::string held_;  // Under four bytes.
};

// Base64 of messages: a whole one is never held back, so that its reader gets it at once.
class Base64Writer {
 public:
  void Feed(absl::string_view bytes, std::string* out);
  // Bytes that are not messages, and the end.
  void Finish(absl::string_view bytes, std::string* out);

 private:
  std::string held_;  // Under three bytes.
  MessageFrames frames_;
};

}  // namespace pointsman::gateway
