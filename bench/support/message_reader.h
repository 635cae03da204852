#pragma once

// Reads HTTP/1.1 messages off a byte stream, one after the other, without I/O: responses for the
// load generator, requests for the test backend. Written apart from the gateway's parser on
// purpose: these two judge the gateway, so they must not share its mistakes. Strict about framing,
// indifferent to everything else. Thread-compatible.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace pointsman::bench {

class MessageReader {
 public:
  enum class Kind { kRequest, kResponse };
  enum class Result {
    kNeedMore,  // The message goes on.
    kDone,      // One message is whole; the getters describe it until Reset().
    kBroken,    // Not HTTP/1.x, or framing that cannot be followed.
  };

  // A head longer than this is broken.
  static constexpr size_t kHeadBytesMax = 64 * 1024;

  explicit MessageReader(Kind kind) : kind_(kind) {}

  // Forgets the message; `answers_head`: the next one is the response to HEAD and has no body.
  void Reset(bool answers_head = false);

  // Takes the next bytes. Sets `used` to how many belong to this message.
  Result Read(absl::string_view bytes, size_t* used);
  // The peer closed: kDone when that ends the body properly, otherwise kBroken.
  Result ReadEnd() const;

  // Of a request.
  const std::string& method() const { return method_; }
  const std::string& target() const { return target_; }
  // The head is whole and asks for "100 Continue" before the body.
  bool expects_continue() const { return expects_continue_ && state_ != State::kHead; }
  // Of a response.
  int status() const { return status_; }
  // Value of X-Backend; empty: none came.
  const std::string& backend() const { return backend_; }
  // False: the peer closes, or wants us to close, after this message.
  bool keep_alive() const { return keep_alive_; }
  // True once a byte of the message came.
  bool started() const { return started_; }
  uint64_t body_bytes() const { return body_bytes_; }

 private:
  enum class State { kHead, kSized, kChunkSize, kChunkData, kChunkEnd, kTrailer, kToEnd, kDone };

  bool ParseHead();
  bool ParseStartLine(absl::string_view line);
  bool ParseHeaderLine(absl::string_view line);
  void ChooseBody();
  Result ReadHead(absl::string_view bytes, size_t* used);
  Result ReadBody(absl::string_view bytes, size_t* used);
  bool ReadLine(absl::string_view bytes, size_t* used);
  Result TakeLine();

  Kind kind_;
  State state_ = State::kHead;
  bool answers_head_ = false;
  bool started_ = false;
  bool keep_alive_ = true;
  bool chunked_ = false;
  bool sized_ = false;
  bool expects_continue_ = false;
  int status_ = 0;
  uint64_t left_bytes_ = 0;
  uint64_t body_bytes_ = 0;
  std::string method_;
  std::string target_;
  std::string backend_;
  std::string head_;  // The head so far, then the line of a chunk's size or of a trailer.
};

}  // namespace pointsman::bench
